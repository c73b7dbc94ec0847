package remote_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search/remote"
)

func TestLiferay_ReadsItsFiles(t *testing.T) {
	t.Parallel()
	plain := remote.Options{Prefix: "liferay-", Replicas: "0-all", Shards: 1}
	with := func(change func(*remote.Options)) remote.Options {
		o := plain
		change(&o)
		return o
	}
	for name, c := range map[string]struct {
		values map[string]string
		want   remote.Options
		wanted bool
		notes  []string // a part of each
	}{
		"Nothing":  {nil, plain, false, nil},
		"Embedded": {map[string]string{"operationMode": "EMBEDDED", "productionModeEnabled": "false"}, plain, false, nil},
		"Six": {map[string]string{"operationMode": "REMOTE", "transportAddresses": "es1:9300,es2:9301", "clusterName": "x"},
			with(func(o *remote.Options) { o.Hosts = []string{"http://es1:9200", "http://es2:9201"} }), true,
			[]string{"http://es1:9200 is used", "http://es2:9201 is used"}},
		"OneOfSix": {map[string]string{"operationMode": "remote", "transportAddresses": "es1:9300"},
			with(func(o *remote.Options) { o.Hosts = []string{"http://es1:9200"} }), true, []string{"http://es1:9200"}},
		"OddPorts": {map[string]string{"operationMode": "REMOTE", "transportAddresses": "[::1]:9399, es2, es3:19300"},
			with(func(o *remote.Options) {
				o.Hosts = []string{"http://[::1]:9299", "http://es2:9200", "http://es3:19300"}
			}), true,
			[]string{"9299", "es2:9200", "es3:19300"}},
		"DefaultOfSix": {map[string]string{"operationMode": "REMOTE"},
			with(func(o *remote.Options) { o.Hosts = []string{"http://localhost:9200"} }), true, nil},
		"Seven": {map[string]string{"productionModeEnabled": "true",
			"networkHostAddresses": "https://es1:9200,https://es2:9200",
			"transportAddresses":   "old:9300", "authenticationEnabled": "true", "username": "stoa", "password": " p w ",
			"indexNamePrefix": "site-", "indexNumberOfReplicas": "2", "indexNumberOfShards": "3", "httpSSLEnabled": "true",
			"truststorePath": "/etc/es.p12", "truststorePassword": "s"},
			remote.Options{Hosts: []string{"https://es1:9200", "https://es2:9200"}, User: "stoa", Password: " p w ",
				Prefix: "site-", Replicas: "2", Shards: 3}, true, []string{"search.server.ca"}},
		"NotSignedIn": {map[string]string{"productionModeEnabled": "true", "networkHostAddresses": "es1:9200",
			"username": "stoa", "password": "p", "httpSSLEnabled": "true"},
			with(func(o *remote.Options) { o.Hosts = []string{"https://es1:9200"} }), true, nil},
		"Connection": {map[string]string{"productionModeEnabled": "true", "remoteClusterConnectionId": "one"},
			with(func(o *remote.Options) { o.Hosts = []string{"http://localhost:9200"} }), true, []string{`"one"`}},
	} {
		o, wanted, notes, err := remote.Liferay(c.values)
		if err != nil || wanted != c.wanted || !reflect.DeepEqual(o, c.want) {
			t.Errorf("%s: %+v, %v, %v, want %+v, %v", name, o, wanted, err, c.want, c.wanted)
		}
		if len(notes) != len(c.notes) {
			t.Errorf("%s: notes %q, want %d", name, notes, len(c.notes))
			continue
		}
		for i, n := range notes {
			if !strings.Contains(n, c.notes[i]) {
				t.Errorf("%s: note %q, want one with %q", name, n, c.notes[i])
			}
		}
		if wanted {
			if _, err := remote.Open(o); err != nil {
				t.Errorf("%s: Open: %v", name, err)
			}
		}
	}
	if _, _, _, err := remote.Liferay(map[string]string{"indexNumberOfShards": "many"}); !stoa.Is(err, stoa.KindInvalid) {
		t.Errorf("%v, want an error of kind invalid", err)
	}
	if len(remote.LiferayFiles()) != 3 {
		t.Error("files of Elasticsearch 6, 7 and 8 are expected")
	}
}
