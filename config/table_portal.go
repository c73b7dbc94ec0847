package config

import (
	"time"

	"github.com/stoa-portal/stoa"
)

func sectionHome() section {
	return section{Title: "Home", Props: []property{
		{Name: "liferay.home", Default: "stoa-home",
			Doc:  "Folder that holds everything this node writes: data, deploy, logs, run. A relative path starts at the working directory. Every node has its own. The flag --home and the environment variable STOA_HOME set it too; a file inside the folder cannot move it.",
			kind: into(someText(), func(c *Config) *string { return &c.Home })},
	}}
}

func sectionHosts() section {
	return section{Title: "Virtual hosts", Props: []property{
		{Name: "virtual.hosts.valid.hosts", Default: "*", Shared: true,
			Doc:  "Host names that requests may carry beside the virtual hosts of sites; * means any. Any is safe because links in mail never use the host of a request; name your hosts when nothing else should be answered.",
			kind: into(list(), func(c *Config) *[]string { return &c.Hosts.Valid })},
		{Name: "virtual.hosts.ignore.hosts", Default: "127.0.0.1,localhost", Shared: true,
			Doc:  "Host names that lead to the default site even when a site was given one of them.",
			kind: into(list(), func(c *Config) *[]string { return &c.Hosts.Ignore })},
		{Name: "virtual.hosts.default.site.name", Default: "Guest", Shared: true,
			Doc:  "The site that is shown at hosts which no site has: its name in /web/NAME, which the first start gives to the first site.",
			kind: into(someText(), func(c *Config) *string { return &c.Hosts.DefaultSiteName })},
		{Name: "virtual.hosts.strict.access", Default: "false", Shared: true,
			Doc:  "Whether an unknown host gets a 404 instead of the default instance.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Hosts.Strict })},
	}}
}

func sectionCompany() section {
	return section{Title: "Default instance", Props: []property{
		{Name: "company.default.web.id", Default: "example.com", Shared: true,
			Doc:  "Name of the first virtual instance and the mail domain of its first administrator.",
			kind: into(someText(), func(c *Config) *string { return &c.Company.WebID })},
		{Name: "company.default.name", Default: "Stoa", Shared: true,
			Doc:  "Title of the first instance, as visitors see it.",
			kind: into(someText(), func(c *Config) *string { return &c.Company.Name })},
		{Name: "company.default.locale", Default: "en_US", Shared: true,
			Doc:  "Language of the first instance and of its default site.",
			kind: into(locale(), func(c *Config) *stoa.Locale { return &c.Company.Locale })},
		{Name: "company.default.time.zone", Default: "UTC", Shared: true,
			Doc:  "Time zone in which dates are shown to guests.",
			kind: into(timeZone(), func(c *Config) **time.Location { return &c.Company.TimeZone })},
		{Name: "company.default.virtual.host.name", Default: "localhost", Shared: true,
			Doc:  "Host name that leads to the default site of the first instance.",
			kind: into(hostName(), func(c *Config) *string { return &c.Company.VirtualHostName })},
	}}
}

func sectionAdmin() section {
	return section{
		Title: "First administrator",
		Intro: "These are read once, when the database is still empty.",
		Props: []property{
			{Name: "default.admin.password", Default: "", Secret: true,
				Doc: "Password of the first administrator. There is no default password: while this is empty, the first start " +
					"gives a one-time link for choosing one.",
				kind: into(text(), func(c *Config) *string { return &c.Admin.Password })},
			{Name: "default.admin.screen.name", Default: "admin", Shared: true,
				Doc:  "Screen name of the first administrator.",
				kind: into(someText(), func(c *Config) *string { return &c.Admin.ScreenName })},
			{Name: "default.admin.email.address.prefix", Default: "admin", Shared: true,
				Doc:  "Part of the administrator's email address before the @; company.default.web.id follows it.",
				kind: into(someText(), func(c *Config) *string { return &c.Admin.EmailAddressPrefix })},
			{Name: "default.admin.first.name", Default: "Portal",
				Doc:  "First name of the first administrator.",
				kind: into(someText(), func(c *Config) *string { return &c.Admin.FirstName })},
			{Name: "default.admin.last.name", Default: "Administrator",
				Doc:  "Last name of the first administrator.",
				kind: into(text(), func(c *Config) *string { return &c.Admin.LastName })},
		},
	}
}

func sectionOperators() section {
	return section{Title: "Operators", Props: []property{
		{Name: "omniadmin.users", Default: "", Shared: true,
			Doc: "The only accounts that operate the whole installation: nodes, jobs, caches, log levels, properties, " +
				"change log, virtual instances and their host names. A list of ids of users of the default instance, as " +
				"Liferay has it; Stoa also takes their screen names and e-mail addresses. Empty means the administrators " +
				"of the default instance. The control socket on the machine of a node operates always.",
			kind: into(list(), func(c *Config) *[]string { return &c.Operators.Users })},
	}}
}

func sectionPasswords() section {
	return section{Title: "Passwords", Props: []property{
		{Name: "passwords.default.policy.min.length", Default: "12", Unit: "characters", Shared: true,
			Doc: "Shortest password that is accepted. Common passwords, repetitions and rows are refused whatever their " +
				"length.",
			kind: into(whole(1, 128), func(c *Config) *int { return &c.Passwords.MinLength })},
		{Name: "passwords.default.policy.reset.ticket.max.age", Default: "3600", Unit: "seconds", Shared: true,
			Doc: "How long a link for choosing a new password works.",
			kind: into(
				counted(time.Second, 60, 2592000),
				func(c *Config) *time.Duration { return &c.Session.ResetTicketLifetime },
			)},
	}}
}

func sectionSession() section {
	return section{Title: "Signing in and sessions", Props: []property{
		{Name: "session.timeout", Default: "30", Unit: "minutes", Shared: true,
			Doc:  "How long a session lives without a request; at most 12 hours altogether, however busy it is.",
			kind: into(counted(time.Minute, 1, 525600), func(c *Config) *time.Duration { return &c.Session.Timeout })},
		{Name: "session.cookie.domain", Default: "", Shared: true,
			Doc:  "Domain of the session cookie; empty means the host of the request only.",
			kind: into(hostName(), func(c *Config) *string { return &c.Session.CookieDomain })},
		{Name: "company.security.auto.login", Default: "true", Shared: true,
			Doc:  "Whether people may ask to stay signed in. It works on any node of a cluster.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Session.AutoLogin })},
		{Name: "company.security.auto.login.max.age", Default: "2592000", Unit: "seconds", Shared: true,
			Doc: "How long a person who asked for it stays signed in, counted from signing in. More than 30 days is taken as " +
				"30 days, and operators of the installation have to sign in every 12 hours.",
			kind: into(
				counted(time.Second, 60, 315360000),
				func(c *Config) *time.Duration { return &c.Session.AutoLoginMaxAge },
			)},
		{Name: "auth.login.disabled", Default: "false", Shared: true,
			Doc:  "Whether signing in is switched off, for instance while an upgrade runs.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Session.LoginDisabled })},
		{Name: "auth.login.throttle.window", Default: "15m", Shared: true,
			Doc:  "Time over which failed sign-ins are counted.",
			kind: into(period(time.Second, 24*time.Hour), func(c *Config) *time.Duration { return &c.Session.ThrottleWindow })},
		{Name: "auth.login.throttle.account.max", Default: "10", Unit: "failed sign-ins", Shared: true,
			Doc: "Failed sign-ins with one login within the window before further ones have to wait. A browser in which " +
				"the person has signed in before has as many of its own.",
			kind: into(whole(1, 100000), func(c *Config) *int { return &c.Session.ThrottleAccountMax })},
		{Name: "auth.login.throttle.address.max", Default: "100", Unit: "failed sign-ins", Shared: true,
			Doc: "Failed sign-ins from one network address (in IPv6 from a /64, and four times as many from a /48) within " +
				"the window before further ones have to wait.",
			kind: into(whole(1, 1000000), func(c *Config) *int { return &c.Session.ThrottleAddressMax })},
		{Name: "auth.operator.two.factor.required", Default: "false", Shared: true,
			Doc: "Whether operators need a second factor, a passkey or an app with codes: without one they can sign in only " +
				"to make one. " +
				"stoa user reset-factors is the way back for someone who has lost theirs.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Session.OperatorTwoFactor })},
	}}
}

func sectionSecret() section {
	return section{Title: "Keys", Props: []property{
		{Name: "secret.key.file", Default: "",
			Doc: "File with the key that encrypts what signs (cookies, links) and the seeds of second factors in the " +
				"database: one line of at least 32 random characters, as openssl rand -base64 32 writes it, readable by " +
				"this user only, and the same on all nodes. A new line before the old one changes the key. Without it " +
				"they are in the clear. Lost, everyone signs in again and second factors are set up anew. A relative path " +
				"starts at liferay.home.",
			kind: into(text(), func(c *Config) *string { return &c.Secret.KeyFile })},
	}}
}

func sectionLanguages() section {
	return section{Title: "Languages", Props: []property{
		{Name: "locales.enabled", Default: "", Shared: true,
			Doc:  "Languages that the default site has from its first start, beside company.default.locale. Site settings change them later; every site has its own.",
			kind: into(locales(), func(c *Config) *[]stoa.Locale { return &c.Languages.Enabled })},
	}}
}

func sectionMail() section {
	return section{Title: "Mail", Props: []property{
		{Name: "admin.email.from.name", Default: "Stoa", Shared: true,
			Doc:  "Name of the sender of mail from the portal.",
			kind: into(plainText(), func(c *Config) *string { return &c.Mail.FromName })},
		{Name: "admin.email.from.address", Default: "portal@example.com", Shared: true,
			Doc:  "Address of the sender of mail from the portal.",
			kind: into(email(), func(c *Config) *string { return &c.Mail.FromAddress })},
		{Name: "mail.session.mail.smtp.host", Default: "",
			Doc:  "Mail server. While it is empty, each mail becomes a file in liferay.home/mail.",
			kind: into(hostName(), func(c *Config) *string { return &c.Mail.Host })},
		{Name: "mail.session.mail.smtp.port", Default: "25",
			Doc:  "Port of the mail server.",
			kind: into(whole(1, 65535), func(c *Config) *int { return &c.Mail.Port })},
		{Name: "mail.session.mail.smtp.user", Default: "",
			Doc:  "User at the mail server; empty means without signing in.",
			kind: into(text(), func(c *Config) *string { return &c.Mail.User })},
		{Name: "mail.session.mail.smtp.password", Default: "", Secret: true,
			Doc:  "Password at the mail server.",
			kind: into(text(), func(c *Config) *string { return &c.Mail.Password })},
		{Name: "mail.session.mail.smtp.ssl.enable", Default: "false",
			Doc:  "Whether the connection is encrypted from the first byte, as on port 465.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Mail.Implicit })},
		{Name: "mail.session.mail.smtp.starttls.enable", Default: "true",
			Doc:  "Whether the connection is encrypted when the mail server offers STARTTLS.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Mail.StartTLS })},
		{Name: "mail.session.mail.smtp.starttls.required", Default: "false",
			Doc:  "Whether mail is held back when the mail server does not offer STARTTLS.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Mail.StartTLSRequired })},
		{Name: "mail.session.mail.smtp.timeout", Default: "30000", Unit: "milliseconds",
			Doc:  "How long one mail may take.",
			kind: into(counted(time.Millisecond, 1000, 600000), func(c *Config) *time.Duration { return &c.Mail.Timeout })},
	}}
}
