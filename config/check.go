package config

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// longestSession is how long a person stays signed in at most.
const longestSession = 30 * 24 * time.Hour

// finish checks what needs more than one value, and completes what follows from others.
func (r *reader) finish(c *Config) {
	for _, path := range []*string{&c.Files.Root, &c.Files.Move.Root, &c.Files.CacheDir,
		&c.Server.Certificate, &c.Server.Key, &c.Secret.KeyFile, &c.Search.CAFile,
		&c.Cluster.NATSCredentials, &c.Cluster.NATSCA, &c.Cluster.NATSCertificate, &c.Cluster.NATSKey} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(c.Home, *path)
		}
	}
	r.inherit(c)
	r.checkFiles(c)
	r.checkStore(c, "dl.store.", &c.Files.FileStore)
	r.checkStore(c, movePrefix, &c.Files.Move)
	r.checkSearch(c)
	r.checkCluster(c)
	r.checkProxies(c)
	if n := utf8.RuneCountInString(c.Admin.Password); n > 0 && n < c.Passwords.MinLength {
		r.warn("default.admin.password at %s has %d characters, and passwords.default.policy.min.length asks for %d: it is "+
			"taken as it is; let the administrator choose another after the first sign-in",
			r.values["default.admin.password"].source, n, c.Passwords.MinLength)
	}
	if c.Session.AutoLoginMaxAge > longestSession {
		r.warn("company.security.auto.login.max.age at %s is more than 30 days and is taken as 30 days: no session "+
			"lasts longer", r.values["company.security.auto.login.max.age"].source)
		c.Session.AutoLoginMaxAge = longestSession
	}
	if 2*c.Database.ChangePollInterval > c.Cache.FreshLimit {
		r.wrong("change.poll.interval", "%s is too long for cache.fresh.limit, %s; at most half of that is expected, or no cache would ever be fresh",
			formatPeriod(c.Database.ChangePollInterval), formatPeriod(c.Cache.FreshLimit))
	}
	r.checkCaches(c)
}

// checkStore asks for what the chosen file store cannot do without.
func (r *reader) checkStore(c *Config, prefix string, of *FileStore) {
	if prefix == movePrefix && of.Store == StoreFileSystem && of.Root == "" {
		r.wrong(prefix+"file.system.root.dir", "%simpl is %s, and no folder is named; set it", prefix, of.Store)
	}
	if prefix == movePrefix && of.Store == StoreFileSystem && of.Root == c.Files.Root &&
		(c.Files.Store == StoreFileSystem || c.Files.Store == StoreAdvancedFileSystem) {
		r.wrong(prefix+"file.system.root.dir", "%q is the folder of dl.store.file.system.root.dir, too; name another one",
			clip(of.Root))
	}
	switch of.Store { // the files of others need not be on this machine
	case StoreGCS:
		r.secretFile(c, prefix+"gcs.service.account.key", &of.GCS.Key)
		r.secretFile(c, prefix+"gcs.aes256.key", &of.GCS.AES256)
		r.plainPrefix(prefix+"gcs.prefix", of.GCS.Prefix)
	case StoreAzure:
		r.secretFile(c, prefix+"azure.connection.string", &of.Azure.Connection)
		r.secretFile(c, prefix+"azure.account.key", &of.Azure.Key)
		r.plainPrefix(prefix+"azure.prefix", of.Azure.Prefix)
	}
	switch s3, azure := of.S3, of.Azure; of.Store {
	case StoreS3:
		r.mustName(s3.Bucket, prefix, "s3.bucket.name", StoreS3, "bucket", "bucketName", s3PID)
		if (s3.AccessKey == "") != (s3.SecretKey == "") {
			r.wrong(prefix+"s3.access.key", "of %[1]ss3.access.key and %[1]ss3.secret.key one is set and the other "+
				"is not; set both, or none for the keys of the environment or of the instance's role", prefix)
		}
	case StoreGCS:
		r.mustName(of.GCS.Bucket, prefix, "gcs.bucket.name", StoreGCS, "bucket", "bucketName", gcsPID)
	case StoreAzure:
		r.mustName(azure.Container, prefix, "azure.container.name", StoreAzure, "container", "containerName", azurePID)
		if azure.Connection != "" && azure.Account+azure.Key+azure.Endpoint != "" {
			r.wrong(prefix+"azure.connection.string", "%[1]sazure.account.name, %[1]sazure.account.key or "+
				"%[1]sazure.endpoint is set beside it; set either", prefix)
		}
		if azure.Connection == "" && azure.Account == "" && azure.Key+azure.Endpoint != "" {
			r.wrong(prefix+"azure.account.name", "it is not set, and its key or its address is; set it, too")
		}
	}
}

// mustName asks for the name of the place where the files are.
func (r *reader) mustName(value, prefix, name, store, what, key, pid string) {
	switch name = prefix + name; {
	case value != "":
	case prefix == movePrefix: // which no .config file sets
		r.wrong(name, "%simpl is %s, and no %s is named; set %s", prefix, store, what, name)
	default:
		r.wrong(name, "%simpl is %s, and no %s is named; set %s, or %s in osgi/configs/%s.config", prefix, store, what, name,
			key, pid)
	}
}

// plainPrefix refuses what clients of clouds write in different ways.
func (r *reader) plainPrefix(name, prefix string) {
	odd := strings.ContainsFunc(prefix, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_./", c))
	})
	if odd || strings.Contains(prefix, "..") || strings.Contains(prefix, "//") {
		r.wrong(name, "%q cannot begin the names of objects; letters from a to z, digits, and - _ . / between them are "+
			"expected", clip(prefix))
	}
}

// secretFile reads a secret that stands in a file, file:PATH.
func (r *reader) secretFile(c *Config, name string, secret *string) {
	path, ok := strings.CutPrefix(*secret, "file:")
	if !ok {
		return
	}
	if rest, ok := strings.CutPrefix(path, "//"); ok && strings.HasPrefix(rest, "/") {
		path = rest // file:///path
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.Home, path)
	}
	text, err := readLimited(path)
	if *secret = strings.TrimSpace(text); err != nil {
		r.wrong(name, "the file %q cannot be read (%v); make it readable, or name the one that holds the secret", clip(path),
			bare(err))
	} else if *secret == "" {
		r.wrong(name, "the file %q is empty; the secret is expected in it", clip(path))
	}
}

// checkSearch refuses what cannot be meant for a search server, and completes what is.
func (r *reader) checkSearch(c *Config) {
	s := &c.Search
	if s.Engine != SearchServer {
		if at := r.values[nameSearchHosts]; len(s.Hosts) > 0 && !strings.HasSuffix(at.file, configSuffix) {
			r.warn("%s at %s is not used, since %s is %s; set it to %s to use the search server", nameSearchHosts, at.source,
				nameSearchEngine, s.Engine, SearchServer)
		}
		return
	}
	r.tellSearch()
	if len(s.Hosts) == 0 {
		because := ""
		for _, n := range r.notes {
			if n.property == nameSearchHosts {
				because += "; " + n.text
			}
		}
		r.wrong(nameSearchHosts, "%s is %s (%s), and no search server is named; set %s, such as https://search1:9200, or "+
			"networkHostAddresses in Liferay's .config file%s", nameSearchEngine, s.Engine, r.values[nameSearchEngine].source,
			nameSearchHosts, because)
	}
	for i, address := range s.Hosts {
		written, problem := searchHost(address)
		if problem != "" {
			r.wrong(nameSearchHosts, "%s", problem)
			break
		}
		s.Hosts[i] = written
	}
	switch {
	case s.User == "" && s.Password != "":
		r.wrong(nameSearchPassword, "it is set, and %s is not; set both or none", nameSearchUser)
	case s.User != "" && s.Password == "":
		r.wrong(nameSearchUser, "it is set, and %s is not; set both or none", nameSearchPassword)
	}
	if s.User != "" && s.APIKey != "" {
		r.wrong(nameSearchKey, "it is set, and so is %s (%s); one of the two is expected", nameSearchUser,
			r.values[nameSearchUser].source)
	}
	r.secretFile(c, nameSearchPassword, &s.Password)
	r.secretFile(c, nameSearchKey, &s.APIKey)
	for _, v := range [][2]string{{nameSearchUser, s.User}, {nameSearchPassword, s.Password}, {nameSearchKey, s.APIKey}} {
		if strings.ContainsFunc(v[1], func(c rune) bool { return c < ' ' || c == 0x7f }) {
			r.wrong(v[0], "it has a line end or another control character; text on one line is expected")
		}
	}
	r.checkAuthority(nameSearchCA, s.CAFile)
}

// checkAuthority looks for certificates in a file.
func (r *reader) checkAuthority(name, path string) {
	if path == "" {
		return
	}
	text, err := readLimited(path)
	switch {
	case err != nil:
		r.wrong(name, "the file %q cannot be read (%v); make it readable, or name the one that holds the certificate",
			clip(path), bare(err))
	case !x509.NewCertPool().AppendCertsFromPEM([]byte(text)):
		r.wrong(name, "the file %q has no certificate in it; text in PEM is expected, which begins with "+
			"-----BEGIN CERTIFICATE-----", clip(path))
	}
}

// wrong reports a value that is well formed and still wrong, at the place where it is set.
func (r *reader) wrong(name, format string, args ...any) {
	s := r.values[name]
	source := s.source
	if source == "" {
		source = "default"
	}
	r.invalid(s.order, name, "%s: %s", source, fmt.Sprintf(format, args...))
}

// isSet reports whether anything but the built-in file gives the property a value.
func (r *reader) isSet(name string) bool {
	s, ok := r.values[name]
	return ok && !strings.HasPrefix(s.source, "default")
}

// inherit completes the read and the write source from the default one.
func (r *reader) inherit(c *Config) {
	for _, source := range []struct {
		prefix string
		to     *DataSource
	}{{"jdbc.read.", &c.Database.Read}, {"jdbc.write.", &c.Database.Write}} {
		from, to := c.Database.Default, source.to
		if to.URL == "" {
			if r.isSet(source.prefix+"username") || r.isSet(source.prefix+"password") {
				r.warn("%s is set and %surl is not, so jdbc.default is used for everything", source.prefix+"*", source.prefix)
			}
			*to = DataSource{}
			continue
		}
		for _, inherited := range []struct {
			name string
			take func()
		}{
			{"username", func() { to.Username = from.Username }},
			{"password", func() { to.Password = from.Password }},
			{"maximumPoolSize", func() { to.MaximumPoolSize = from.MaximumPoolSize }},
			{"minimumIdle", func() { to.MinimumIdle = from.MinimumIdle }},
			{"idleTimeout", func() { to.IdleTimeout = from.IdleTimeout }},
			{"maxLifetime", func() { to.MaxLifetime = from.MaxLifetime }},
		} {
			if !r.isSet(source.prefix + inherited.name) {
				inherited.take()
			}
		}
		r.checkPool(source.prefix, to)
		r.passwordFile(c, source.prefix, to)
	}
	r.checkPool("jdbc.default.", &c.Database.Default)
	r.passwordFile(c, "jdbc.default.", &c.Database.Default)
}

// passwordFile turns a password that names a file into the path of that file.
func (r *reader) passwordFile(c *Config, prefix string, d *DataSource) {
	path, ok := strings.CutPrefix(d.Password, "file:")
	if !ok {
		return
	}
	if rest, ok := strings.CutPrefix(path, "//"); ok && strings.HasPrefix(rest, "/") {
		path = rest // file:///path
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.Home, path)
	}
	d.Password, d.PasswordFile = "", filepath.Clean(path)
	name := prefix + "password"
	if !r.isSet(name) {
		return // inherited, and told there
	}
	r.checkFile(name, d.PasswordFile)
}

func (r *reader) checkPool(prefix string, d *DataSource) {
	if d.MinimumIdle > d.MaximumPoolSize {
		if r.isSet(prefix + "minimumIdle") {
			r.warn("%sminimumIdle at %s, %d, is more than %smaximumPoolSize and is taken as %d",
				prefix, r.values[prefix+"minimumIdle"].source, d.MinimumIdle, prefix, d.MaximumPoolSize)
		}
		d.MinimumIdle = d.MaximumPoolSize
	}
}

// checkFiles looks for the files of certificates, which are read long after the start.
func (r *reader) checkFiles(c *Config) {
	r.checkPair("web.server.https.certificate", c.Server.Certificate, "web.server.https.key", c.Server.Key)
	r.checkPair("cluster.link.nats.cert", c.Cluster.NATSCertificate, "cluster.link.nats.key", c.Cluster.NATSKey)
	r.checkFile("cluster.link.nats.ca", c.Cluster.NATSCA)
	r.checkFile("cluster.link.nats.credentials", c.Cluster.NATSCredentials)
}

func (r *reader) checkPair(certificate, certificatePath, key, keyPath string) {
	if (certificatePath == "") != (keyPath == "") {
		have, missing := certificate, key
		if certificatePath == "" {
			have, missing = key, certificate
		}
		r.wrong(have, "a certificate and its key belong together; set %s too, or neither", missing)
		return
	}
	r.checkFile(certificate, certificatePath)
	r.checkFile(key, keyPath)
}

func (r *reader) checkFile(name, path string) {
	if path == "" {
		return
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		r.wrong(name, "there is no file %q; the path of a file is expected", clip(path))
	}
}

func (r *reader) checkProxies(c *Config) {
	if c.Web.ProxyProtocol && len(c.Web.TrustedProxies) == 0 {
		r.wrong("web.server.proxy.protocol.enabled", "web.server.trusted.proxies is empty, so no proxy may speak for "+
			"others; name the addresses of your proxies there")
	}
	if (c.Web.ForwardedHost.Enabled || c.Web.ForwardedPort.Enabled || c.Web.ForwardedProtocol.Enabled) && len(c.Web.TrustedProxies) == 0 {
		r.warn("web.server.forwarded.* is switched on, but web.server.trusted.proxies is empty, so no forwarded header is believed; name the addresses of your proxies there")
	}
}

// maxHints is how many unknown names are compared with all known ones: each takes a while.
const maxHints = 500

// list makes the list of effective values and the two warnings about names without a use.
func (r *reader) list(c *Config, e *expander) {
	hidden := map[string]bool{}
	for _, name := range c.Health.ObfuscatedProperties {
		name, _ = r.reg.canonical(name)
		hidden[name] = true
	}
	// An address without a scheme may have a password in it, which masks do not find.
	if strings.Contains(e.value(nameSearchHosts).value, "@") {
		hidden[nameSearchHosts] = true
	}
	var unused, unknown []string
	for _, s := range r.inOrder() {
		p, _ := r.reg.find(s.name)
		v := e.value(s.name)
		value := Value{Name: s.name, Value: v.value, Source: s.source, Secret: v.secret || hidden[s.name]}
		if v.problem != "" {
			value.Value = s.raw
			value.Note = v.problem + "; it is left as it stands"
		}
		if p != nil {
			value.Used, value.Known, value.Default, value.Doc = p.used(), true, p.Default, p.fullDoc()
		}
		value.Masked = shown(value.Value, value.Secret)
		switch {
		case p != nil && !p.used() && s.source != "default":
			unused = append(unused, s.name)
		case p == nil && r.reg.filterOfKnown(s.name):
			unused = append(unused, clip(s.name))
			value.Note = "for another portal: a filter other than [stoa]"
		case p == nil:
			hint := ""
			if len(unknown) < maxHints {
				if near := r.reg.nearest(s.name); near != "" {
					hint = "; did you mean " + near + "?"
					value.Note = "did you mean " + near + "?"
				}
			}
			unknown = append(unknown, fmt.Sprintf("%s (%s%s)", clip(s.name), s.source, hint))
		}
		if p != nil && p.used() {
			value.Note = "" // what is wrong there is marked so
		}
		c.effective = append(c.effective, value)
	}
	for name, p := range r.reg.exact {
		if _, ok := r.values[name]; !ok {
			c.effective = append(c.effective, Value{Name: name, Source: "not set", Used: p.used(), Known: true, Secret: p.Secret, Doc: p.fullDoc()})
		}
	}
	slices.SortFunc(c.effective, func(a, b Value) int { return strings.Compare(a.Name, b.Name) })
	if len(unused) > 0 {
		slices.Sort(unused)
		r.warn("%s known, but Stoa has no use for %s: %s (docs/properties.md says why)", countOf(len(unused), "property that is set is", "properties that are set are"), it(len(unused)), some(unused))
	}
	if len(unknown) > 0 {
		r.warn("%s not known and ignored: %s", countOf(len(unknown), "property is", "properties are"), some(unknown))
	}
}

func countOf(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func it(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
