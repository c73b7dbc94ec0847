package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	elastic6    = "com.liferay.portal.search.elasticsearch6.configuration.ElasticsearchConfiguration"
	elastic7    = "com.liferay.portal.search.elasticsearch7.configuration.ElasticsearchConfiguration"
	elastic8    = "com.liferay.portal.search.elasticsearch8.configuration.ElasticsearchConfiguration"
	connection7 = "com.liferay.portal.search.elasticsearch7.configuration.ElasticsearchConnectionConfiguration"
	openSearch  = "com.liferay.portal.search.opensearch2.configuration.OpenSearchConfiguration"
	openLink    = "com.liferay.portal.search.opensearch2.configuration.OpenSearchConnectionConfiguration"
)

// withConfigs gives what a node reads whose home has those .config files, beside a property file.
func withConfigs(t *testing.T, properties string, files map[string]string) (*Config, error) {
	t.Helper()
	all := map[string]string{"portal-ext.properties": properties}
	for name, text := range files {
		all["home/osgi/configs/"+name+".config"] = text
	}
	dir := write(t, all)
	return Load(Options{WorkDir: dir, Home: dir + "/home"})
}

func TestConfigFiles_OfSearchAreReadAsProperties(t *testing.T) {
	t.Parallel()
	type files = map[string]string
	embedded := Search{Engine: SearchEmbedded, Prefix: "liferay-", Replicas: "0-1", Shards: 1, Timeout: 10 * time.Second}
	server := func(change func(*Search), hosts ...string) Search {
		s := embedded
		s.Engine, s.Replicas, s.Hosts = SearchServer, "0-all", hosts
		if change != nil {
			change(&s)
		}
		return s
	}
	for name, c := range map[string]struct {
		files files
		want  Search
		notes []string // a part of each warning
	}{
		"Nothing":  {files{elastic7: ""}, embedded, nil},
		"Embedded": {files{elastic7: "operationMode=\"EMBEDDED\"\nproductionModeEnabled=B\"false\""}, embedded, nil},
		"Sidecar":  {files{elastic8: "sidecarHttpPort=\"9201\"\nsidecarJVMOptions=[\"-Xms1g\",\"-Xmx1g\"]"}, embedded, nil},
		// as the official example of two nodes has it
		"Six": {files{elastic6: "operationMode=\"REMOTE\"\ntransportAddresses=\"elasticsearch:9300\"\n" +
			"clusterName=\"LiferayElasticsearchCluster\""}, server(nil, "http://elasticsearch:9200"),
			[]string{elastic6 + ".config:2: transportAddresses names elasticsearch:9300, where nodes of the search server " +
				"speak among each other: http://elasticsearch:9200 is used"}},
		"ManyOfSix": {files{elastic6: "operationMode=\"remote\"\ntransportAddresses=[\"es1:9300\",\"es2:9301\"]"},
			server(nil, "http://es1:9200", "http://es2:9201"), []string{"http://es1:9200 is used", "http://es2:9201 is used"}},
		"OddPorts": {files{elastic6: "operationMode=\"REMOTE\"\ntransportAddresses=\"[::1]:9399, es2, es3:19300\""},
			server(nil, "http://[::1]:9299", "http://es2:9200", "http://es3:19300"), []string{"9299", "es2:9200", "19300"}},
		"DefaultOfSix": {files{elastic6: "operationMode=\"REMOTE\""}, server(nil, "http://localhost:9200"), nil},
		"Seven": {files{elastic7: "productionModeEnabled=B\"true\"\n" +
			"networkHostAddresses=[\"https://es1:9200\",\\\n  \"https://es2:9200\"]\n" +
			"transportAddresses=\"old:9300\"\nauthenticationEnabled=B\"true\"\nusername=\"stoa\"\npassword=\" p w \"\n" +
			"indexNamePrefix=\"site-\"\nindexNumberOfReplicas=\"2\"\nindexNumberOfShards=\"3\"\nhttpSSLEnabled=B\"true\"\n" +
			"truststorePath=\"/etc/es.p12\"\ntruststorePassword=\"s\"\ntruststoreType=\"pkcs12\"\nlogExceptionsOnly=B\"true\""},
			server(func(s *Search) {
				s.User, s.Password, s.Prefix, s.Replicas, s.Shards = "stoa", " p w ", "site-", "2", 3
			}, "https://es1:9200", "https://es2:9200"),
			[]string{"truststorePath is not read, since it is a store of Java: give search.server.ca"}},
		"NotSignedIn": {files{elastic8: "productionModeEnabled=\"true\"\nnetworkHostAddresses=\"es1:9200\"\n" +
			"username=\"stoa\"\npassword=\"p\"\nhttpSSLEnabled=\"true\""}, server(nil, "https://es1:9200"),
			[]string{elastic8 + ".config:4: password is not used, since authenticationEnabled is not true"}},
		"DefaultUser": {files{elastic8: "productionModeEnabled=\"true\"\nauthenticationEnabled=\"true\"\npassword=\"p\"\n" +
			"httpSSLEnabled=\"true\""}, server(func(s *Search) { s.User, s.Password = "elastic", "p" },
			"https://localhost:9200"), nil},
		"Proxy": {files{elastic8: "productionModeEnabled=\"true\"\nproxyHost=\"proxy\"\nproxyPort=I\"3128\""},
			server(nil, "http://localhost:9200"), []string{"proxyHost is not read"}},
		"Connection": {files{elastic7: "productionModeEnabled=B\"true\"\nremoteClusterConnectionId=\"one\"\n" +
			"networkHostAddresses=\"unused\"\nindexNamePrefix=\"site-\"",
			connection7 + "~x":   "connectionId=\"one\"\nnetworkHostAddresses=\"https://a:9200\"\nactive=B\"true\"",
			connection7 + "-ccr": "active=B\"true\"\nconnectionId=\"ccr\"\nnetworkHostAddresses=\"https://b:9200\""},
			server(func(s *Search) { s.Prefix = "site-" }, "https://a:9200"),
			[]string{connection7 + "-ccr.config is not used, since remoteClusterConnectionId of"}},
		"ConnectionByFile": {files{elastic7: "productionModeEnabled=B\"true\"\nremoteClusterConnectionId=\"one\"",
			connection7 + "-one": "networkHostAddresses=[\"https://a:9200\",\"https://c:9200\"]\n" +
				"authenticationEnabled=B\"true\"\nusername=\"u\"\npassword=\"p\"\nservice.factoryPid=\"x\""},
			server(func(s *Search) { s.User, s.Password = "u", "p" }, "https://a:9200", "https://c:9200"), nil},
		"ConnectionElsewhere": {files{elastic7: "productionModeEnabled=B\"true\"\nremoteClusterConnectionId=\"gone\"\n" +
			"networkHostAddresses=\"https://a:9200\""}, server(nil, "https://a:9200"),
			[]string{elastic7 + ".config:2: remoteClusterConnectionId names the connection \"gone\", of which there is no " +
				"file"}},
		"OpenSearch": {files{openSearch: "remoteClusterConnectionId=\"REMOTE\"\nindexNumberOfReplicas=\"1\"",
			openLink + "-REMOTE": "active=B\"true\"\nconnectionId=\"REMOTE\"\nnetworkHostAddresses=[\"https://os1:9200\"]\n" +
				"authenticationEnabled=B\"true\"\npassword=\"p\"\nhttpSSLEnabled=B\"true\""},
			server(func(s *Search) { s.User, s.Password, s.Replicas = "opensearch", "p", "1" }, "https://os1:9200"), nil},
		"OpenSearchAlone": {files{openLink + "~one": "active=B\"true\"\nnetworkHostAddresses=\"http://os1:9200\""},
			server(nil, "http://os1:9200"), nil},
		"OpenSearchUnnamed": {files{openSearch: "indexNamePrefix=\"os-\"",
			openLink: "active=B\"true\"\nnetworkHostAddresses=\"http://os1:9200\""},
			server(func(s *Search) { s.Prefix = "os-" }, "http://os1:9200"), nil},
		"OpenSearchInactive": {files{openLink + "~one": "networkHostAddresses=\"http://os1:9200\""}, embedded,
			[]string{openLink + "~one.config is not used, since active is not true there"}},
		"ConnectionAlone": {files{connection7 + "~one": "active=\"true\"\nnetworkHostAddresses=\"es1\""},
			func() Search { s := embedded; s.Hosts = []string{"es1"}; return s }(), nil},
		"WantedCounts": {files{elastic8: "sidecarHttpPort=\"9201\"",
			elastic7: "productionModeEnabled=\"true\"\nnetworkHostAddresses=\"http://es7:9200\""},
			server(nil, "http://es7:9200"), []string{elastic8 + ".config is not used, since "}},
		"NewestCounts": {files{
			elastic6: "operationMode=\"REMOTE\"\nauthenticationEnabled=\"true\"\npassword=\"p\"",
			elastic8: "productionModeEnabled=\"true\"\nnetworkHostAddresses=\"http://es8:9200\""},
			server(nil, "http://es8:9200"), []string{elastic6 + ".config is not used, since "}},
		"Misspelled": {files{elastic7: "productionModeEnabled=\"true\"\nnetworkHostAdresses=\"http://es8:9200\""},
			server(nil, "http://localhost:9200"), []string{"networkHostAdresses (line 2)"}},
	} {
		got, err := withConfigs(t, "", c.files)
		if err != nil || !reflect.DeepEqual(got.Search, c.want) {
			t.Errorf("%s: %v, %+v, want %+v", name, err, got, c.want)
			continue
		}
		for _, n := range c.notes {
			if warned(got, n) != 1 {
				t.Errorf("%s: no warning, or many, with %q:\n%s", name, n, strings.Join(got.Warnings(), "\n"))
			}
		}
		if len(got.Warnings()) != len(c.notes) {
			t.Errorf("%s: warnings, want %d:\n%s", name, len(c.notes), strings.Join(got.Warnings(), "\n"))
		}
	}
}

func TestConfigFiles_OfSearchCountLessThanProperties(t *testing.T) {
	t.Parallel()
	file := map[string]string{elastic7: "operationMode=\"REMOTE\"\ntransportAddresses=\"es:9300\"\n" +
		"authenticationEnabled=\"true\"\npassword=\"p\"\nhttpSSLEnabled=\"true\"\ntruststorePath=\"/x.p12\"\n" +
		"indexNamePrefix=\"site-\""}
	for properties, c := range map[string]struct {
		is    func(s Search) bool
		notes int
	}{
		"": {func(s Search) bool {
			return s.Hosts[0] == "https://es:9200" && s.User == "elastic" && s.Prefix == "site-"
		}, 2},
		"search.engine=embedded": {func(s Search) bool { return s.Engine == SearchEmbedded }, 0},
		"search.server.hosts=http://other:9200\nsearch.server.password=q\nsearch.server.replicas=0": {func(s Search) bool {
			return s.Engine == SearchServer && s.Hosts[0] == "http://other:9200" && s.User == "elastic" && s.Password == "q" &&
				s.Replicas == "0"
		}, 1},
		"search.server.hosts=http://other:9200\nsearch.server.ca=" + authority(t): {func(s Search) bool {
			return s.CAFile != ""
		}, 0},
		"search.server.user=\nsearch.server.password=\nsearch.server.api.key=a2V5": {func(s Search) bool {
			return s.User == "" && s.APIKey == "a2V5"
		}, 2},
	} {
		got, err := withConfigs(t, properties, file)
		if err != nil || !c.is(got.Search) || len(got.Warnings()) != c.notes {
			t.Errorf("%q: %v, %+v", properties, err, got)
		}
	}
	c, err := withConfigs(t, "", file)
	if err != nil {
		t.Fatal(err)
	}
	for name, place := range map[string]string{nameSearchEngine: ".config:1", nameSearchHosts: ".config:2",
		nameSearchPassword: ".config:4", nameSearchReplicas: "(Liferay's default)", nameSearchUser: "(Liferay's default)"} {
		if v := value(t, c, name); !strings.HasSuffix(v.Source, elastic7+place) &&
			!strings.HasSuffix(v.Source, elastic7+".config "+place) {
			t.Errorf("%s comes from %q", name, v.Source)
		}
	}
}

func TestConfigFiles_OfSearchAreRefusedWithTheirLine(t *testing.T) {
	t.Parallel()
	for says, files := range map[string]map[string]string{
		elastic7 + `.config:2: "many" is wrong; a whole number`: {elastic7: "a.b=\"\"\nindexNumberOfShards=\"many\""},
		elastic7 + `.config:1: "Site-" is wrong; small letters`: {elastic7: "indexNamePrefix=\"Site-\""},
		elastic7 + ".config (Liferay's default): it is set, and search.server.password is not": {
			elastic7: "operationMode=\"REMOTE\"\nauthenticationEnabled=\"true\""},
		elastic7 + ".config:2: the address of es has a user in it": {
			elastic7: "operationMode=\"REMOTE\"\nnetworkHostAddresses=\"https://u:hunter2@es\""},
		elastic7 + ".config:1), and no search server is named": {
			elastic7: "operationMode=\"REMOTE\"\nremoteClusterConnectionId=\"one\""},
		`remoteClusterConnectionId names the connection "REMOTE", of which there is no file`: {
			openSearch: "remoteClusterConnectionId=\"REMOTE\""},
		elastic7 + ".config:1: the value of operationMode is not in quotes": {elastic7: "operationMode=REMOTE"},
	} {
		_, err := withConfigs(t, "", files)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: %v, want %q", files, err, says)
		}
	}
}
