package config

import (
	_ "embed"
	"strings"
)

// liferayNames is the rest of Liferay's names: a line with = and the reason, then lines with what names begin with
// and their ends; a single dot begins with nothing.
//
//go:embed liferay.txt
var liferayNames string

// sectionKnown is the names that administrators have in their files and that Stoa has no use for, or
// not yet. They are listed so that they are not taken for mistakes.
func sectionKnown() section {
	var props []property
	for row := range strings.SplitSeq(knownNames, "\n") {
		name, doc, ok := strings.Cut(row, "|")
		if !ok {
			continue
		}
		p := property{Name: strings.TrimSpace(name), Doc: strings.TrimSpace(doc), NoValue: true}
		p.Name, p.Default, ok = strings.Cut(p.Name, "=")
		p.NoValue = !ok
		if p.Name[0] == '*' { // a secret
			p.Name, p.Secret = p.Name[1:], true
		}
		props = append(props, p)
	}
	return section{
		Title: "Known, and not used",
		Intro: "Names of Liferay that Stoa accepts in a file and does not use. They are listed by `stoa config` as not used.",
		Props: props,
	}
}

// sectionRest is what Liferay has beside, without a word on each name: it is there so that a name of Liferay is told
// from one that is misspelled.
func sectionRest() section {
	out := section{
		Title: "Further names of Liferay, and not used",
		Intro: "All other names of Liferay DXP 7.4, by what is here instead. `stoa config` lists those that a file sets " +
			"as not used.",
		Brief: true,
	}
	why, listed := "", map[string]bool{}
	for line := range strings.SplitSeq(liferayNames, "\n") {
		if reason, ok := strings.CutPrefix(line, "= "); ok {
			why = reason
			continue
		}
		words := strings.Fields(line)
		for i := 1; i < len(words); i++ {
			name := strings.TrimPrefix(words[0], ".") + words[i]
			if !listed[name] {
				out.Props = append(out.Props, property{Name: name, Doc: why, NoValue: true, Guess: true})
				listed[name] = true
			}
		}
	}
	return out
}

// knownNames has a row for each: name | why it is not used. A name with = has a value that other
// values may refer to; * marks a secret.
const knownNames = `
resource.repositories.root=${liferay.home} | Older name of liferay.home; only references to it work.
portal.instance.protocol | Nodes link at cluster.link.port, not by HTTP.
portal.proxy.path | Not used yet: a proxy must leave paths as they are.
company.default.home.url | Site settings choose the home page.
company.security.auth.type=emailAddress | People sign in with their e-mail address or their screen name, whichever they type.
setup.wizard.enabled | The first start gives a link to set the administrator's password.
passwords.default.policy.change.required | Not used yet: a link by mail lets people choose a password.
passwords.default.policy.lockout | auth.login.throttle slows guessing down and cannot lock anybody out for long.
passwords.default.policy.lockout.duration | See auth.login.throttle.window.
passwords.default.policy.max.failure | See auth.login.throttle.account.max.
locales | A site may have any language.
locale.prepend.friendly.url.style=3 | Addresses carry every language but the default one of the site.
dl.file.entry.thumbnail.max.height | Pictures come in fixed widths.
dl.file.entry.thumbnail.max.width | Pictures come in fixed widths.
jdbc.default.connectionTimeout | Requests and statements have limits of their own (db.statement.timeout); for connecting, see connectTimeout in docs/operate/database-address.md.
jdbc.<source>.connectionTimeout | See jdbc.default.connectionTimeout.
schema.module.build.auto.upgrade | Applications bring their own versions.
upgrade.database.transactions.disabled | Upgrades always run in transactions.
upgrade.concurrent.fetch.size | Upgrades need no tuning.
upgrade.concurrent.process.future.list.max.size | Upgrades need no tuning.
upgrade.log.context.enabled | Log lines always carry it.
upgrade.report.enabled | The log is the report.
upgrade.report.dir | The log is the report.
upgrade.report.dl.storage.size.timeout | The log is the report.
upgrade.report.sql.statement.threshold | db.statement.slow does this.
upgrade.report.upgrade.process.threshold | The log is the report.
auto.deploy.enabled | Not used yet: the deploy folder of applications.
auto.deploy.deploy.dir=${liferay.home}/deploy | Not used yet: the deploy folder of applications.
auto.deploy.interval | Not used yet: the deploy folder of applications.
auto.deploy.listeners | There are no Java applications.
auto.deploy.tomcat.conf.dir | There is no application server.
hot.deploy.listeners | There are no Java applications.
hot.deploy.dependency.management.enabled | There are no Java applications.
module.framework.base.dir=${liferay.home}/osgi | There is no OSGi.
module.framework.auto.deploy.dirs | There is no OSGi.
module.framework.auto.deploy.interval | There is no OSGi.
module.framework.configs.dir=${module.framework.base.dir}/configs | There is no OSGi.
module.framework.modules.dir=${module.framework.base.dir}/modules | There is no OSGi.
module.framework.war.dir=${module.framework.base.dir}/war | There is no OSGi.
module.framework.marketplace.dir=${module.framework.base.dir}/marketplace | There is no OSGi.
module.framework.portal.dir=${module.framework.base.dir}/portal | There is no OSGi.
module.framework.client.extensions.dir=${module.framework.base.dir}/client-extensions | There is no OSGi.
module.framework.state.dir=${module.framework.base.dir}/state | There is no OSGi.
module.framework.stop.wait.timeout | shutdown.timeout does this.
module.framework.properties.osgi.console | There is no OSGi.
module.framework.file.install.cfg.enabled | There is no OSGi.
module.framework.export.password.attributes | There is no OSGi.
dependency.manager.sync.timeout | There is nothing to wait for.
retry.data.source.max.retries | The pool tries again by itself.
retry.advice.max.retries | Calls are repeated where it is safe.
initial.system.check.enabled | The checks always run.
thread.dump.speed.threshold | There are no Java threads.
com.liferay.portal.servlet.filters.threaddump.ThreadDumpFilter | There are no servlet filters.
com.liferay.portal.servlet.filters.sessionid.SessionIdFilter | There are no servlet filters.
com.liferay.portal.servlet.filters.gzip.GZipFilter | http.server.compression.enabled does this.
jdbc.<source>.registerMbeans | There is no JMX.
jdbc.<source>.jmxEnabled | There is no JMX.
jdbc.<source>.jmxName | There is no JMX.
jdbc.<source>.transactionIsolation | Always read committed.
jdbc.<source>.defaultTransactionIsolation | Always read committed.
jdbc.<source>.autoCommit | Transactions are explicit; the address names database and schema.
jdbc.<source>.defaultAutoCommit | Transactions are explicit; the address names database and schema.
jdbc.<source>.defaultReadOnly | Transactions are explicit; the address names database and schema.
jdbc.<source>.readOnly | Transactions are explicit; the address names database and schema.
jdbc.<source>.catalog | Transactions are explicit; the address names database and schema.
jdbc.<source>.defaultCatalog | Transactions are explicit; the address names database and schema.
jdbc.<source>.schema | Transactions are explicit; the address names database and schema.
jdbc.<source>.connectionTestQuery | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.connectionInitSql | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.initSQL | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.validationQuery | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.validationTimeout | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.validationInterval | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.keepaliveTime | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.testOnBorrow | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.testOnReturn | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.testWhileIdle | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.testOnConnect | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.preferredTestQuery | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.testConnectionOnCheckin | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.testConnectionOnCheckout | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.idleConnectionTestPeriod | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.timeBetweenEvictionRunsMillis | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.numTestsPerEvictionRun | Connections are tested by the program; what a session needs goes into options or sessionVariables of the address.
jdbc.<source>.initializationFailFast | retry.jdbc.on.startup does this.
jdbc.<source>.initializationFailTimeout | retry.jdbc.on.startup does this.
jdbc.<source>.acquireRetryAttempts | retry.jdbc.on.startup does this.
jdbc.<source>.acquireRetryDelay | retry.jdbc.on.startup does this.
jdbc.<source>.breakAfterAcquireFailure | retry.jdbc.on.startup does this.
jdbc.<source>.liferay.pool.provider | There is one pool.
jdbc.<source>.poolName | There is one pool.
jdbc.<source>.dataSourceClassName | There is one pool.
jdbc.<source>.jdbcInterceptors | There is one pool.
jdbc.<source>.connectionCustomizerClassName | There is one pool.
jdbc.<source>.factoryClassName | There is one pool.
jdbc.<source>.leakDetectionThreshold | Connections are given back in any case.
jdbc.<source>.removeAbandoned | Connections are given back in any case.
jdbc.<source>.removeAbandonedTimeout | Connections are given back in any case.
jdbc.<source>.logAbandoned | Connections are given back in any case.
jdbc.<source>.suspectTimeout | Connections are given back in any case.
jdbc.<source>.unreturnedConnectionTimeout | Connections are given back in any case.
jdbc.<source>.debugUnreturnedConnectionStackTraces | Connections are given back in any case.
jdbc.<source>.maxPoolSize | maximumPoolSize of the source does this.
jdbc.<source>.maxActive | maximumPoolSize of the source does this.
jdbc.<source>.maxTotal | maximumPoolSize of the source does this.
jdbc.<source>.minPoolSize | minimumIdle of the source does this.
jdbc.<source>.initialPoolSize | minimumIdle of the source does this.
jdbc.<source>.initialSize | minimumIdle of the source does this.
jdbc.<source>.minIdle | minimumIdle of the source does this.
jdbc.<source>.maxIdle | minimumIdle of the source does this.
jdbc.<source>.acquireIncrement | minimumIdle of the source does this.
jdbc.<source>.maxIdleTime | idleTimeout of the source does this.
jdbc.<source>.minEvictableIdleTimeMillis | idleTimeout of the source does this.
jdbc.<source>.maxIdleTimeExcessConnections | idleTimeout of the source does this.
jdbc.<source>.maxConnectionAge | maxLifetime of the source does this.
jdbc.<source>.maxAge | maxLifetime of the source does this.
jdbc.<source>.maxWait | Requests and statements have limits of their own (db.statement.timeout).
jdbc.<source>.checkoutTimeout | Requests and statements have limits of their own (db.statement.timeout).
jdbc.<source>.maxStatements | A matter of the speed of a Java pool.
jdbc.<source>.maxStatementsPerConnection | A matter of the speed of a Java pool.
jdbc.<source>.cacheStatements | A matter of the speed of a Java pool.
jdbc.<source>.poolPreparedStatements | A matter of the speed of a Java pool.
jdbc.<source>.numHelperThreads | A matter of the speed of a Java pool.
jdbc.<source>.fairQueue | A matter of the speed of a Java pool.
jdbc.<source>.useEquals | A matter of the speed of a Java pool.
jdbc.<source>.isolateInternalQueries | A matter of the speed of a Java pool.
jdbc.<source>.allowPoolSuspension | A matter of the speed of a Java pool.
counter.jdbc.prefix | Ids always come from the write source.
spring.configs | There is no Spring.
spring.infrastructure.configs | There is no Spring.
transaction.isolation.portal | Always read committed.
hibernate.jdbc.batch_size | There is no Hibernate.
hibernate.dialect | There is no Hibernate.
database.indexes.update.on.startup | Migrations do this.
database.mysql.engine | Always InnoDB.
data.limit.<name> | Not used yet: limits per instance.
feature.flag.<name> | Features are not switched by flags.
counter.increment.<name> | There is one counter for everything.
counter.data.center.count | Ids are unique within one database.
counter.data.center.deployment.id | Ids are unique within one database.
ehcache.single.vm.config.location | There is no Ehcache; see cache.
ehcache.multi.vm.config.location | There is no Ehcache; see cache.
ehcache.cluster.link.replication.enabled | Caches always follow the change log.
ehcache.portal.cache.manager.jmx.enabled | There is no JMX.
value.object.entity.cache.enabled | Caches never serve what is not fresh, so they need no switch.
value.object.finder.cache.enabled | Caches never serve what is not fresh, so they need no switch.
value.object.finder.cache.list.threshold | Caches are bounded by bytes; see cache.max.bytes.
value.object.mvcc.entity.cache.enabled | Caches never serve what is not fresh, so they need no switch.
value.object.entity.thread.local.cache.max.size | There is no cache per request.
value.object.finder.thread.local.cache.max.size | There is no cache per request.
transactional.cache.enable | Caches always change at commit.
transactional.cache.names | Caches always change at commit.
table.mapper.cacheless.mapping.table.names | Caches are bounded by bytes; see cache.max.bytes.
template.engine.cache.enabled | Templates are compiled once.
layout.template.cache.enabled | Templates are compiled once.
cache.content.threshold.size | Caches are bounded by bytes; see cache.max.bytes.
etag.response.size.max | Pages always have an ETag.
browser.cache.disabled | Browsers always ask whether a page has changed.
browser.cache.signed.in.disabled | Browsers always ask whether a page has changed.
buffered.increment.standby.queue.threshold | Counters are written in batches anyway.
buffered.increment.standby.queue.time.upper.limit | Counters are written in batches anyway.
cluster.link.auth.cert.alias | Nodes prove themselves through the database.
*cluster.link.auth.cert.password | Nodes prove themselves through the database.
cluster.link.auth.keystore.path | Nodes prove themselves through the database.
*cluster.link.auth.keystore.password | Nodes prove themselves through the database.
cluster.link.auth.cipher.type | Nodes prove themselves through the database.
cluster.link.auth.keystore.type | Nodes prove themselves through the database.
cluster.link.bind.addr["multi-vm"] | There is one connection for all channels.
jgroups.<name> | There is no JGroups; only the names of it under Cluster Link are read.
multicast.group.address["cluster-link-control"] | Multicast is not used.
multicast.group.address["cluster-link-udp"] | Multicast is not used.
multicast.group.address["cluster-link-mping"] | Multicast is not used.
multicast.group.address["multi-vm"] | Multicast is not used.
multicast.group.port["cluster-link-control"] | Multicast is not used.
multicast.group.port["cluster-link-udp"] | Multicast is not used.
multicast.group.port["cluster-link-mping"] | Multicast is not used.
multicast.group.port["multi-vm"] | Multicast is not used.
live.users.enabled | The database knows who is signed in.
auth.simultaneous.logins | People may be signed in several times.
webdav.nonce.cluster.timeout | There is no WebDAV.
webdav.nonce.expiration | There is no WebDAV.
lock.expiration.time.com.liferay.portal.kernel.staging.Staging | Not used yet: staging.
lock.expiration.time.com.liferay.document.library.kernel.model.DLFolder | Files are not checked out yet.
lock.expiration.time.com.liferay.document.library.kernel.model.DLFileEntry | Files are not checked out yet.
lock.expiration.time.com.liferay.message.boards.model.MBThread | There are no message boards.
lock.expiration.time.<class> | Articles and pages are locked while they are edited: lock.expiration.time.article and .page do this.
dl.file.entry.lock.policy | Files are not checked out yet.
social.activity.lock.retry.delay | Locks end with their holder.
social.activity.lock.timeout | Locks end with their holder.
layout.prototype.merge.lock.max.time | Locks end with their holder.
layout.prototype.merge.fail.threshold | Locks end with their holder.
layout.set.prototype.merge.lock.max.time | Locks end with their holder.
layout.set.prototype.merge.fail.threshold | Locks end with their holder.
scheduler.job.name.max.length | Names of jobs have a fixed limit.
scheduler.group.name.max.length | Names of jobs have a fixed limit.
scheduler.description.max.length | Names of jobs have a fixed limit.
memory.scheduler.org.quartz.<name> | There is no Quartz; see job.
persisted.scheduler.org.quartz.<name> | There is no Quartz; see job.
org.quartz.jobStore.isClustered | There is no Quartz; jobs always run once.
announcements.entry.check.interval | There are no announcements.
staging.system.event.check.interval | Not used yet: staging.
users.update.last.login.batch.interval | Sign-ins are written at once.
dl.store.antivirus.enabled | Not used yet: looking for viruses.
dl.store.file.impl.safe.file.name.2.<name> | Names of files are not part of the store.
dl.file.indexing.max.size | Not used yet: search in files.
dl.char.blacklist | Names of documents have fixed rules.
dl.name.blacklist | Names of documents have fixed rules.
dl.char.last.blacklist | Names of documents have fixed rules.
dl.file.entry.preview.enabled | Not used yet: previews of pages.
dl.file.entry.preview.fork.process.enabled | Not used yet: previews of pages.
com.liferay.portal.kernel.upload.FileItem.threshold.size | Uploads always go to the store as they arrive.
com.liferay.portal.upload.UploadServletRequestImpl.max.size | dl.file.max.size does this.
web.server.servlet.version.verbosity | The version is never sent.
http.header.version.verbosity | The version is never sent.
virtual.hosts.ignore.extensions | Every path of a virtual host belongs to its site.
virtual.hosts.ignore.paths | Every path of a virtual host belongs to its site.
cdn.host.http | Everything comes from this host.
cdn.host.https | Everything comes from this host.
cdn.dynamic.resources.enabled | Everything comes from this host.
layout.friendly.url.public.servlet.mapping | Always /web.
layout.friendly.url.private.group.servlet.mapping | Always /group.
layout.friendly.url.private.user.servlet.mapping | Always /user.
session.timeout.warning | There is no warning in the browser.
session.timeout.redirect.on.expire | There is no warning in the browser.
portlet.session.replicate.enabled | Sessions always work on every node.
session.verify.serializable.attribute | Sessions always work on every node.
session.enable.persistent.cookies | company.security.auto.login does this.
session.enable.url.with.session.id | Addresses never carry the session.
session.enable.phishing.protection | A sign-in always begins a new session.
session.phishing.protected.attributes | A sign-in always begins a new session.
session.cookie.use.full.hostname | session.cookie.domain does this.
session.cookie.use.full.hostname[tomcat] | There is no application server.
session.id.delimiter | There is no application server.
session.id.weblogic.delimiter | There is no application server.
session.store.password | Passwords are never kept in a session.
session.max.allowed | Sessions are rows and need no limit.
auth.token.check.enabled | Forms are always protected.
auth.token.length | Forms are always protected.
company.default.virtual.host.sync.on.startup | The set-up writes it once.
company.default.add.default.admin.user | There is always a first administrator.
company.security.strangers | Not used yet: people who register themselves.
company.security.strangers.verify | Not used yet: people who register themselves.
company.security.strangers.with.mx | Not used yet: people who register themselves.
setup.wizard.add.sample.data | Not used yet: sample content.
terms.of.use.required | Not used yet: terms of use.
users.reminder.queries.enabled | There are no reminder questions.
passwords.encryption.algorithm | Passwords have one way of storage, chosen by the release.
passwords.default.policy.changeable | Not used yet: this rule of the password policy.
passwords.default.policy.check.syntax | Not used yet: this rule of the password policy.
passwords.default.policy.allow.dictionary.words | Not used yet: this rule of the password policy.
passwords.default.policy.min.age | Not used yet: this rule of the password policy.
passwords.default.policy.max.age | Not used yet: this rule of the password policy.
passwords.default.policy.expireable | Not used yet: this rule of the password policy.
passwords.default.policy.warning.time | Not used yet: this rule of the password policy.
passwords.default.policy.grace.limit | Not used yet: this rule of the password policy.
passwords.default.policy.history | Not used yet: this rule of the password policy.
passwords.default.policy.history.count | Not used yet: this rule of the password policy.
passwords.default.policy.require.unlock | Not used yet: this rule of the password policy.
passwords.default.policy.reset.failure.count | Not used yet: this rule of the password policy.
passwords.default.policy.min.alphanumeric | Not used yet: this rule of the password policy.
passwords.default.policy.min.lowercase | Not used yet: this rule of the password policy.
passwords.default.policy.min.numbers | Not used yet: this rule of the password policy.
passwords.default.policy.min.symbols | Not used yet: this rule of the password policy.
passwords.default.policy.min.uppercase | Not used yet: this rule of the password policy.
passwords.default.policy.regex | Not used yet: this rule of the password policy.
passwords.default.policy.name | Not used yet: this rule of the password policy.
passwords.default.policy.description | Not used yet: this rule of the password policy.
system.roles | The roles of the system are fixed.
permissions.checker | There is one permission checker.
browser.launcher.url | No browser is started.
mail.session.jndi.name | There is no application server; mail.session.mail.smtp does this.
mail.session.mail | There is no application server; mail.session.mail.smtp does this.
mail.session.mail.smtp.auth | A user is enough.
mail.session.mail.transport.protocol | mail.session.mail.smtp.ssl.enable does this.
mail.session.mail.pop3.host | Mail is not fetched.
mail.session.mail.pop3.port | Mail is not fetched.
mail.session.mail.pop3.user | Mail is not fetched.
*mail.session.mail.pop3.password | Mail is not fetched.
default.guest.public.layout.name | The first page is made by the set-up.
default.guest.public.layout.friendly.url | The first page is made by the set-up.
index.on.startup | The index follows the change log; stoa follow rebuild search looks at everything again.
index.on.startup.delay | The index follows the change log.
index.search.limit | A search has limits of its own, which are part of the program.
index.search.highlight.<name> | Words that were found are always marked.
index.search.spell.checker.<name> | Typing mistakes are forgiven without a dictionary.
index.search.query.suggestion.<name> | Suggestions need no settings.
indexer.enabled[<class>] | Everything is indexed.
users.search.with.index | People are found in the database.
organizations.search.with.index | People are found in the database.
user.groups.search.with.index | People are found in the database.
staging.live.group.locking.enabled | Not used yet: staging.
staging.remote.transfer.buffer.size | Not used yet: staging.
staging.<name> | Not used yet: staging.
*tunneling.servlet.shared.secret | There is no tunnel between portals.
tunneling.servlet.encryption.algorithm | There is no tunnel between portals.
tunneling.servlet.timeout | There is no tunnel between portals.
tunnel.servlet.hosts.allowed | There is no tunnel between portals.
trash.enabled | There always is a recycle bin.
json.web.service.enabled | The REST interface is under /o.
default.regular.theme.id | portal.theme.default does this.
external-properties | It is a flag of the command, not a property in a file.
configuration.override.<pid_key> | There are no OSGi configurations.
`
