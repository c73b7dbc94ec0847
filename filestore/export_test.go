package filestore

import "net"

// BetweenSteps is Bind with a function that is called between the steps of Put.
func (d *Dir) BetweenSteps(identity string, fn func(step string)) Store {
	b := d.bind(identity)
	b.between = fn
	return b
}

// Patient wraps a connection as those of NewTransport are.
func Patient(c net.Conn) net.Conn { return patientConn{c} }
