package nats

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/porticod/portico/pkg/bus"
)

// Target is where a bus is: servers of one NATS, and the name of who shares it.
type Target struct {
	Servers []string // URLs, with user and password where they have them
	Cluster string   // the nodes that hear each other
}

// defaultCluster is the name of nodes that name none.
const defaultCluster = "main"

// maxServers bounds a list: each that does not answer takes a while at the start.
const maxServers = 16

// Parse reads nats://host:port and tls://host:port, several of them with commas
// between, and at the end ?cluster=name. Errors are for people and show neither
// users nor passwords.
func Parse(text string) (Target, error) {
	list, query, _ := strings.Cut(text, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return Target{}, errors.New("what follows the question mark is not name=value")
	}
	t := Target{Cluster: defaultCluster}
	for key, all := range values {
		if key != "cluster" || len(all) != 1 {
			return Target{}, fmt.Errorf("%q is no option of a NATS address; there is cluster=name, once", key)
		}
		if t.Cluster = all[0]; !bus.ValidTopic(t.Cluster) || strings.Contains(t.Cluster, ".") {
			return Target{}, errors.New("the cluster's name has other characters than lower-case letters, digits, - and _")
		}
	}
	servers := strings.Split(list, ",")
	if len(servers) > maxServers {
		return Target{}, fmt.Errorf("there are %d servers; name at most %d", len(servers), maxServers)
	}
	for i, s := range servers {
		clean, err := server(strings.TrimSpace(s))
		if err != nil {
			return Target{}, fmt.Errorf("server %d of the list %w", i+1, err)
		}
		t.Servers = append(t.Servers, clean)
	}
	return t, nil
}

// server checks one address. url.Parse's own errors have passwords in them.
func server(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", errors.New("is no URL like nats://host:4222; in a password, write % and what follows for other characters than letters and digits")
	case u.Scheme != "nats" && u.Scheme != "tls":
		return "", errors.New("does not begin with nats:// or tls://")
	case u.Hostname() == "":
		return "", errors.New("names no host")
	case u.Path != "" || u.Fragment != "" || u.Opaque != "":
		return "", errors.New("has more after the host and the port")
	}
	return u.String(), nil
}

// Hosts are the servers as they may be shown.
func (t Target) Hosts() string {
	var hosts []string
	for _, s := range t.Servers {
		if u, err := url.Parse(s); err == nil {
			hosts = append(hosts, u.Host)
		}
	}
	return strings.Join(hosts, ", ")
}
