package db

// Interrupt lets fn stop migrations before or after a statement, as the end of the process would.
func Interrupt(d *DB, fn func(migration string, statement int, after bool) error) { d.interrupt = fn }
