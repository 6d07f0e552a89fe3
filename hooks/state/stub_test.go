package state

func childWriteForever(string) error { return nil }
func childRun(string) error          { return nil }
func childOpen(string, string) error { return nil }
