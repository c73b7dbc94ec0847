package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Liferay keeps the settings of some services in files of their own, ${liferay.home}/osgi/configs/NAME.config. A node
// reads those that it knows as if their keys stood in its property files, before these, and never writes to them.

const (
	gcsPID            = "com.liferay.portal.store.gcs.configuration.GCSStoreConfiguration"
	azurePID          = "com.liferay.portal.store.azure.configuration.AzureStoreConfiguration"
	s3PID             = "com.liferay.portal.store.s3.configuration.S3StoreConfiguration"
	configsFolder     = "osgi/configs"
	configSuffix      = ".config"
	maxConfigs        = 500
	fileSystemPID     = "com.liferay.portal.store.file.system.configuration.FileSystemStoreConfiguration"
	advancedSystemPID = "com.liferay.portal.store.file.system.configuration.AdvancedFileSystemStoreConfiguration"
)

// configKeys gives the property that a key of a .config file sets; an empty one means that nothing here needs it.
func configKeys(pid string) map[string]string {
	switch pid {
	case fileSystemPID, advancedSystemPID:
		return map[string]string{"rootDir": "dl.store.file.system.root.dir", "useHardLinks": ""}
	case gcsPID:
		return map[string]string{
			"serviceAccountKey": "dl.store.gcs.service.account.key", "authFileLocation": "dl.store.gcs.service.account.key",
			"bucketName": "dl.store.gcs.bucket.name", "aes256Key": "dl.store.gcs.aes256.key",
			"initialRetryDelay": "dl.store.gcs.initial.retry.delay", "maxRetryDelay": "dl.store.gcs.max.retry.delay",
			"maxRetryAttempts": "dl.store.gcs.max.retry.attempts", "retryDelayMultiplier": "", "retryJitter": "",
			"initialRPCTimeout": "", "maxRPCTimeout": "", "rpcTimeoutMultiplier": "",
			"initialRpcTimeout": "", "maxRpcTimeout": "", // as releases before wrote them
		}
	case azurePID:
		return map[string]string{
			"connectionString": "dl.store.azure.connection.string", "containerName": "dl.store.azure.container.name",
			"encryptionScope": "dl.store.azure.encryption.scope", "httpLoggingEnabled": "",
		}
	case s3PID, "com.liferay.portal.store.s3.configuration.IBMS3StoreConfiguration":
		return map[string]string{
			"accessKey": "dl.store.s3.access.key", "secretKey": "dl.store.s3.secret.key",
			"bucketName": "dl.store.s3.bucket.name", "s3Region": "dl.store.s3.region", "s3Endpoint": "dl.store.s3.endpoint",
			"s3PathStyle": "dl.store.s3.path.style", "s3StorageClass": "dl.store.s3.storage.class",
			"connectionTimeout": "dl.store.s3.connection.timeout", "httpClientMaxErrorRetry": "dl.store.s3.max.error.retry",
			"connectionProtocol": "", "httpClientMaxConnections": "", "corePoolSize": "", "maxPoolSize": "",
			"minimumUploadPartSize": "", "multipartUploadThreshold": "", "signerOverride": "", "ntlmProxyDomain": "",
			"ntlmProxyWorkstation": "", "proxyAuthType": "", "proxyHost": "", "proxyPort": "", "proxyUsername": "",
			"proxyPassword": "", // these five make one address, see proxyOf
		}
	}
	return nil
}

// readConfigs reads the .config files of the home.
func (r *reader) readConfigs() {
	if r.home == "" {
		return
	}
	dir := filepath.Join(r.home, filepath.FromSlash(configsFolder))
	entries, err := os.ReadDir(dir)
	if err != nil {
		if !os.IsNotExist(err) {
			r.invalid(r.order, r.display(dir), "the folder cannot be read (%v); make it readable or remove it", bare(err))
		}
		return
	}
	var unused []string
	var search []searchFile
	for i, e := range entries {
		pid, ok := strings.CutSuffix(e.Name(), configSuffix)
		if !ok || e.IsDir() {
			continue
		}
		if i >= maxConfigs {
			r.warn("%s has more than %d files; the rest is not looked at", r.display(dir), maxConfigs)
			break
		}
		if f, ok := asSearchFile(pid); ok {
			if f.name, f.lines, ok = r.configLines(filepath.Join(dir, e.Name())); ok {
				search = append(search, f)
			}
			continue
		}
		keys := configKeys(pid)
		if keys == nil {
			unused = append(unused, e.Name())
			continue
		}
		r.config(filepath.Join(dir, e.Name()), pid, keys)
	}
	if len(unused) > 0 {
		r.warn("%s: nothing here reads %s", r.display(dir), some(unused))
	}
	r.searchFiles(search)
}

// configLines gives the lines of a file, and its name as it is shown; not ok means that it cannot be read.
func (r *reader) configLines(path string) (name string, lines []line, ok bool) {
	name = r.display(path)
	text, err := readLimited(path)
	if err != nil {
		r.invalid(r.order, name, "the file cannot be read (%v); make it readable or remove it", bare(err))
		return name, nil, false
	}
	r.files = append(r.files, name)
	lines, problems := lexConfig(text)
	for _, p := range problems {
		r.order++
		r.invalid(r.order, "", "%s:%d: %s", name, p.number, p.message)
	}
	return name, lines, true
}

// unknownKeys warns of keys that are not among those of the file, nor among those that OSGi writes into each.
func (r *reader) unknownKeys(name string, lines []line, known func(key string) bool) {
	var unknown []string
	for _, l := range lines {
		if !known(l.key) && !strings.HasPrefix(l.key, "service.") && !strings.HasPrefix(l.key, "felix.") &&
			l.key != ":org.apache.felix.configadmin.revision:" {
			unknown = append(unknown, fmt.Sprintf("%s (line %d)", clip(l.key), l.number))
		}
	}
	if len(unknown) > 0 {
		r.warn("%s has keys that nothing here reads: %s", name, some(unknown))
	}
}

// config reads one file.
func (r *reader) config(path, pid string, keys map[string]string) {
	name, lines, ok := r.configLines(path)
	if !ok {
		return
	}
	proxy := map[string]line{}
	for _, l := range lines {
		property := keys[l.key]
		switch {
		case strings.HasPrefix(l.key, "proxy"):
			proxy[l.key] = l
		case property != "" && l.value != "":
			if l.key == "authFileLocation" { // the path of what serviceAccountKey holds
				l.value = "file:" + l.value
			}
			r.set(setting{name: property, raw: l.value, literal: l.key != "rootDir",
				source: fmt.Sprintf("%s:%d", name, l.number), file: name})
		}
	}
	if host := proxy["proxyHost"]; host.value != "" && strings.Contains(pid, ".s3.") {
		r.set(setting{name: "dl.store.s3.proxy", raw: proxyOf(proxy), literal: true,
			source: fmt.Sprintf("%s:%d", name, host.number), file: name})
	}
	plain := slices.ContainsFunc(lines, func(l line) bool {
		return l.key == "connectionProtocol" && strings.EqualFold(l.value, "HTTP")
	})
	if at := r.values["dl.store.s3.endpoint"]; plain && at.file == name && !strings.Contains(at.raw, "://") {
		at.raw = "http://" + at.raw
		r.set(at)
	}
	r.unknownKeys(name, lines, func(key string) bool { _, known := keys[key]; return known })
}

// proxyOf makes one address of the keys of a proxy.
func proxyOf(keys map[string]line) string {
	port := keys["proxyPort"].value
	if port == "" {
		port = "12345" // Liferay's default
	}
	who := ""
	if user := keys["proxyUsername"].value; user != "" {
		who = escapeUser(user) + ":" + escapeUser(keys["proxyPassword"].value) + "@"
	}
	return "http://" + who + keys["proxyHost"].value + ":" + port
}

// escapeUser writes a part of the user in an address.
func escapeUser(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// lexConfig reads the format of Apache Felix: key="value", a type before the quote (B"true", I"5"), lists in brackets,
// a backslash to go on in the next line, and escapes inside of the quotes. A list becomes its items with commas.
func lexConfig(src string) (lines []line, problems []lexProblem) {
	if len(src) > maxFileBytes {
		return nil, []lexProblem{{1, fmt.Sprintf("the file has %d bytes; at most %d are expected", len(src), maxFileBytes)}}
	}
	number := 0
	rest := strings.ReplaceAll(strings.TrimPrefix(src, "\ufeff"), "\r\n", "\n")
	for rest != "" && len(problems) < maxLexProblems {
		var text string
		number++
		at := number
		text, rest, _ = strings.Cut(rest, "\n")
		if t := strings.TrimSpace(text); t == "" || t[0] == '#' {
			continue
		}
		for open := true; open; { // until quotes and brackets are closed
			var more string
			if open = unclosed(text); !open || rest == "" {
				break
			}
			number++
			more, rest, _ = strings.Cut(rest, "\n")
			text = strings.TrimSuffix(text, "\\") + more
		}
		key, value, ok := strings.Cut(text, "=")
		key = strings.Trim(strings.TrimSpace(key), `"`)
		items, good := configValue(strings.TrimSpace(value))
		switch {
		case !ok || key == "":
			problems = append(problems, lexProblem{at, `the line has no key="value"`})
		case !good:
			problems = append(problems, lexProblem{at, fmt.Sprintf(`the value of %s is not in quotes, such as %s="value"`,
				clip(key), clip(key))})
		case slices.ContainsFunc(lines, func(l line) bool { return l.key == key }):
			problems = append(problems, lexProblem{at, clip(key) + " stands there twice; keep one of them"})
		default:
			lines = append(lines, line{key, strings.Join(items, ","), at})
		}
	}
	return lines, problems
}

// unclosed reports whether the value of a line goes on in the next one.
func unclosed(text string) bool {
	_, value, _ := strings.Cut(text, "=")
	quoted, depth := false, 0
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\' && i+1 < len(value):
			i++
		case c == '\\':
			return true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '(':
			depth++
		case c == ']' || c == ')':
			depth--
		}
	}
	return quoted || depth > 0
}

// configValue takes the values out of their quotes and brackets.
func configValue(s string) (items []string, ok bool) {
	if len(s) > 1 && strings.IndexByte("BISLFDXTbislfdxt", s[0]) >= 0 && strings.IndexByte(`"[(`, s[1]) >= 0 {
		s = s[1:]
	}
	list := strings.HasPrefix(s, "[") || strings.HasPrefix(s, "(")
	if list {
		if s = strings.TrimSpace(s); len(s) < 2 || strings.IndexByte("])", s[len(s)-1]) < 0 {
			return nil, false
		}
		s = s[1 : len(s)-1]
	}
	for {
		s = strings.TrimLeft(s, " \t\n\\")
		if s == "" {
			return items, list
		}
		if s[0] != '"' {
			return nil, false
		}
		var b strings.Builder
		i := 1
		for ; i < len(s) && s[i] != '"'; i++ {
			if s[i] == '\\' && i+1 < len(s) {
				i++
			}
			b.WriteByte(s[i])
		}
		if i == len(s) {
			return nil, false
		}
		items = append(items, b.String())
		s = strings.TrimLeft(s[i+1:], " \t\n\\")
		if !list {
			return items, s == ""
		}
		if s, ok = strings.CutPrefix(s, ","); !ok {
			s = strings.TrimLeft(s, " \t\n\\")
			return items, s == ""
		}
	}
}
