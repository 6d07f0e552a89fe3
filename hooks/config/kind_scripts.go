package config

// readScripts reads the directory of a scripts step.
func readScripts(d *decoder, v value) Action {
	dir := d.absPath(v)
	if dir == "" {
		return nil
	}
	return Scripts{Dir: dir}
}
