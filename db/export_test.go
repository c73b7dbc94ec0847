package db

// Interrupt lets fn stop migrations before or after a statement, as the end of the process would.
func Interrupt(d *DB, fn func(migration string, statement int, after bool) error) { d.interrupt = fn }

// Missed tells the handle of a connection that was lost, which begins a search.
func (d *DB) Missed(cause error) { d.noAnswer(cause) }
