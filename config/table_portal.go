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
			Doc:  "Host names that are never looked up as the virtual host of a site.",
			kind: into(list(), func(c *Config) *[]string { return &c.Hosts.Ignore })},
		{Name: "virtual.hosts.default.site.name", Default: "Guest", Shared: true,
			Doc:  "The site that is shown without its name in the address.",
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
			Doc:  "Language of the first instance. It must be among locales.enabled.",
			kind: into(locale(), func(c *Config) *stoa.Locale { return &c.Company.Locale })},
		{Name: "company.default.time.zone", Default: "UTC", Shared: true,
			Doc:  "Time zone in which dates are shown to guests.",
			kind: into(timeZone(), func(c *Config) **time.Location { return &c.Company.TimeZone })},
		{Name: "company.default.home.url", Default: "", Shared: true,
			Doc:  "Path that / leads to; empty shows the first page of the default site.",
			kind: into(sitePath(), func(c *Config) *string { return &c.Company.HomeURL })},
		{Name: "company.default.virtual.host.name", Default: "localhost", Shared: true,
			Doc:  "Host name of the first instance. Links in mail use it when web.server.host is empty.",
			kind: into(hostName(), func(c *Config) *string { return &c.Company.VirtualHostName })},
	}}
}

func sectionAdmin() section {
	return section{Title: "First administrator", Intro: "These are read once, when the database is still empty.", Props: []property{
		{Name: "default.admin.password", Default: "", Secret: true,
			Doc:  "Password of the first administrator. There is no default password: while this is empty, the first start gives a one-time link for choosing one.",
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
		{Name: "setup.wizard.enabled", Default: "true",
			Doc:  "Whether the first visit leads through the set-up.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Admin.SetupWizard })},
	}}
}

func sectionPasswords() section {
	return section{Title: "Passwords", Props: []property{
		{Name: "passwords.default.policy.min.length", Default: "10", Unit: "characters", Shared: true,
			Doc:  "Shortest password that is accepted.",
			kind: into(whole(1, 128), func(c *Config) *int { return &c.Passwords.MinLength })},
		{Name: "passwords.default.policy.change.required", Default: "false", Shared: true,
			Doc:  "Whether people must choose a new password when they sign in for the first time.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Passwords.ChangeRequired })},
		{Name: "passwords.default.policy.lockout", Default: "false", Shared: true,
			Doc:  "Whether too many failed sign-ins lock an account. Throttling (auth.login.throttle) works without it and cannot be used to lock somebody out for long.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Passwords.Lockout })},
		{Name: "passwords.default.policy.max.failure", Default: "10", Unit: "failed sign-ins", Shared: true,
			Doc:  "How many failed sign-ins lock an account when the lockout is on.",
			kind: into(whole(1, 1000), func(c *Config) *int { return &c.Passwords.MaxFailure })},
		{Name: "passwords.default.policy.lockout.duration", Default: "900", Unit: "seconds", Shared: true,
			Doc:  "How long a locked account stays locked; 0 means until an administrator unlocks it.",
			kind: into(counted(time.Second, 0, 31536000), func(c *Config) *time.Duration { return &c.Passwords.LockoutDuration })},
		{Name: "passwords.default.policy.reset.ticket.max.age", Default: "86400", Unit: "seconds", Shared: true,
			Doc:  "How long a link for choosing a new password works.",
			kind: into(counted(time.Second, 60, 2592000), func(c *Config) *time.Duration { return &c.Session.ResetTicketLifetime })},
	}}
}

func sectionSession() section {
	return section{Title: "Signing in and sessions", Props: []property{
		{Name: "session.timeout", Default: "30", Unit: "minutes", Shared: true,
			Doc:  "How long a session lives without a request.",
			kind: into(counted(time.Minute, 1, 525600), func(c *Config) *time.Duration { return &c.Session.Timeout })},
		{Name: "session.cookie.domain", Default: "", Shared: true,
			Doc:  "Domain of the session cookie; empty means the host of the request only.",
			kind: into(hostName(), func(c *Config) *string { return &c.Session.CookieDomain })},
		{Name: "company.security.auto.login", Default: "true", Shared: true,
			Doc:  "Whether people may ask to stay signed in. It works on any node of a cluster.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Session.AutoLogin })},
		{Name: "company.security.auto.login.max.age", Default: "31536000", Unit: "seconds", Shared: true,
			Doc:  "How long somebody who asked for it stays signed in.",
			kind: into(counted(time.Second, 60, 315360000), func(c *Config) *time.Duration { return &c.Session.AutoLoginMaxAge })},
		{Name: "company.security.auth.type", Default: "emailAddress", Shared: true,
			Doc:  "What people sign in with.",
			kind: into(oneOf("emailAddress", "screenName", "userId"), func(c *Config) *string { return &c.Session.AuthType })},
		{Name: "auth.login.disabled", Default: "false", Shared: true,
			Doc:  "Whether signing in is switched off, for instance while an upgrade runs.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Session.LoginDisabled })},
		{Name: "auth.login.throttle.window", Default: "15m", Shared: true,
			Doc:  "Time over which failed sign-ins are counted.",
			kind: into(period(time.Second, 24*time.Hour), func(c *Config) *time.Duration { return &c.Session.ThrottleWindow })},
		{Name: "auth.login.throttle.account.max", Default: "10", Unit: "failed sign-ins", Shared: true,
			Doc:  "Failed sign-ins for one account within the window before further ones have to wait.",
			kind: into(whole(1, 100000), func(c *Config) *int { return &c.Session.ThrottleAccountMax })},
		{Name: "auth.login.throttle.address.max", Default: "100", Unit: "failed sign-ins", Shared: true,
			Doc:  "Failed sign-ins from one network address within the window before further ones have to wait.",
			kind: into(whole(1, 1000000), func(c *Config) *int { return &c.Session.ThrottleAddressMax })},
	}}
}

func sectionLanguages() section {
	return section{Title: "Languages", Props: []property{
		{Name: "locales", Shared: true,
			Default: "ar_SA,bg_BG,ca_ES,cs_CZ,da_DK,de_AT,de_CH,de_DE,el_GR,en_AU,en_CA,en_GB,en_US,es_AR,es_ES,es_MX,et_EE,eu_ES,fa_IR,fi_FI,fr_CA,fr_FR,gl_ES,he_IL,hi_IN,hr_HR,hu_HU,id_ID,it_IT,ja_JP,kk_KZ,ko_KR,lt_LT,lv_LV,ms_MY,nb_NO,nl_BE,nl_NL,pl_PL,pt_BR,pt_PT,ro_RO,ru_RU,sk_SK,sl_SI,sr_Latn_RS,sr_RS,sv_SE,ta_IN,th_TH,tr_TR,uk_UA,vi_VN,zh_CN,zh_TW",
			Doc:     "Languages that an instance may enable.",
			kind:    into(locales(), func(c *Config) *[]stoa.Locale { return &c.Languages.Known })},
		{Name: "locales.enabled", Default: "en_US,ar_SA,ca_ES,de_DE,es_ES,fi_FI,fr_FR,hu_HU,it_IT,ja_JP,nl_NL,pt_BR,sv_SE,zh_CN", Shared: true,
			Doc:  "Languages that are offered until an administrator changes them. Each must be among locales.",
			kind: into(locales(), func(c *Config) *[]stoa.Locale { return &c.Languages.Enabled })},
		{Name: "locale.prepend.friendly.url.style", Default: "3", Shared: true,
			Doc:  "When an address carries the language: 0 never; 1 when it is not the default language; 2 always; 3 when it is neither the visitor's own nor the default language.",
			kind: into(whole(0, 3), func(c *Config) *int { return &c.Languages.PrependStyle })},
	}}
}

func sectionTheme() section {
	return section{Title: "Look", Props: []property{
		{Name: "portal.theme.default", Default: "stoa", Shared: true,
			Doc:  "Theme of sites that have not chosen one.",
			kind: into(someText(), func(c *Config) *string { return &c.Theme.Default })},
		{Name: "portal.theme.dir", Default: "${liferay.home}/themes",
			Doc:  "Folder of themes beside the built-in one. A relative path starts at liferay.home.",
			kind: into(text(), func(c *Config) *string { return &c.Theme.Dir })},
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
