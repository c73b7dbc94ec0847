package httpd

// Check reports what New would refuse of the options: values that cannot work, and files of a certificate that cannot
// be read. Nothing is opened for longer than it takes to read it.
func Check(o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	if _, err := parseHosts(o.ValidHosts); err != nil {
		return err
	}
	_, err := newTLS(&o)
	return err
}
