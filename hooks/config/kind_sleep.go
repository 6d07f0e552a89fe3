package config

// readSleep reads the time to wait.
func readSleep(d *decoder, v value) Action {
	t := d.duration(v)
	if t == 0 {
		return nil
	}
	return Sleep{Duration: t}
}
