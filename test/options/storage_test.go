package options_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/porticod/portico/internal/testkit/nats"
	"github.com/porticod/portico/internal/testkit/postgres"
	"github.com/porticod/portico/internal/testkit/s3"
	"github.com/porticod/portico/internal/testkit/wait"
)

// storageConfig is a chat and photos whose files are in a bucket.
func storageConfig(bucket string) string {
	return fmt.Sprintf(`
accounts { registration = "open" }
storage {
  blobs      = "%s"
  access_key = "portico-test"
  secret_key = secret("bucket-key")
}
service "chat" "own" {}
service "photos" "own" {}
listener "chat" {
  address = "127.0.0.1:0"
  service = service.chat.own
}
listener "photos" {
  address = "127.0.0.1:0"
  service = service.photos.own
}
`, bucket)
}

// option: storage.blobs storage.access_key storage.secret_key
func TestStorageBlobs(t *testing.T) {
	t.Parallel()
	bucket := s3.Start(t)
	key := filepath.Join(files(t, "bucket-key", s3.SecretKey), "bucket-key")
	config := strings.Replace(storageConfig(bucket.URL("portico")), `"bucket-key"`, `"`+key+`"`, 1)
	d := start(t, config)
	ann := join(t, d.URL("chat"), "ann")
	blob := ann.call(http.StatusCreated, "POST", "/v1/blobs?name=a.txt", "some bytes")
	got := ann.call(http.StatusOK, "GET", "/v1/blobs/"+blob.field(t, "id"), "")
	if got.body != "some bytes" {
		t.Errorf("the attachment came back as %q", got.body)
	}
	small := picture(t, 40, 40, 1)
	bob := signUp(t, d.URL("photos"), "bob")
	media := d.URL("photos") + "/api/v1/media/" + postMedia(t, d.URL("photos"), small, bob).field(t, "id")
	wait.Until(t, "the picture is made", func() bool { return get(t, media, bob...).StatusCode == http.StatusOK })
	get(t, get(t, media, bob...).field(t, "url")).is(t, http.StatusOK, "")
	requests := strings.Join(bucket.Requests(), "\n")
	for _, what := range []string{"PUT /bucket/portico/chat/own/", "PUT /bucket/portico/photos/own/", "GET /bucket/portico/photos/own/"} {
		if !strings.Contains(requests, what) {
			t.Errorf("the bucket got no %s:\n%s", what, requests)
		}
	}
	if s := d.Status(); s.Storage["blobs"] == "" || strings.Contains(fmt.Sprint(s.Storage), s3.SecretKey) {
		t.Errorf("status says of storage %v", s.Storage)
	}
	if out := portico(t, 0, d.Dir, nil, "check", "--host"); strings.Contains(out, "storage.blobs") {
		t.Errorf("check complains: %s", out)
	}

	// The bucket takes nothing: a clear, temporary error, and the service says so.
	bucket.Break(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		s3.Answer(w, http.StatusForbidden, "AccessDenied")
	})
	ann.call(http.StatusServiceUnavailable, "POST", "/v1/blobs?name=b.txt", "other bytes")
	if out := portico(t, 1, d.Dir, nil, "check", "--host"); !strings.Contains(out, "storage.blobs") || !strings.Contains(out, "403 AccessDenied") {
		t.Errorf("check does not complain: %s", out)
	}
	if s := d.Status(); s.Ready {
		t.Error("ready, though no file can be stored")
	}
	bucket.Break(nil)
	wait.Until(t, "the bucket is found to be back", func() bool { return d.Status().Ready })
	ann.call(http.StatusCreated, "POST", "/v1/blobs?name=b.txt", "other bytes")

	// A bucket is not changed while the daemon runs, or without its files.
	if r := d.Reload(strings.ReplaceAll(config, "/portico?", "/elsewhere?")); r.Exit != 2 || !strings.Contains(r.Error, "storage changed, which needs a restart") {
		t.Errorf("reload to another bucket: %+v", r)
	}
	backup := filepath.Join(t.TempDir(), "all.tar")
	if out := portico(t, 0, d.Dir, nil, "backup", backup); !strings.Contains(out, "not in the backup: chat.own's files, which lie in s3://bucket/portico/chat/own/") {
		t.Errorf("backup says %s", out)
	}
	d.Stop()
	d.Write("config.hcl", strings.ReplaceAll(config, "/portico?", "/elsewhere?"))
	if out := portico(t, 1, d.Dir, nil, "run", d.File()); !strings.Contains(out, "put storage.blobs back as it was") {
		t.Errorf("a start with another bucket: %s", out)
	}
}

// nodesConfig is one of several nodes.
func nodesConfig(database, bus string) string {
	return fmt.Sprintf(`
accounts { registration = "open" }
storage {
  database = "%s"
  bus      = "%s"
}
service "chat" "own" {}
listener "chat" {
  address = "127.0.0.1:0"
  service = service.chat.own
}
`, database, bus)
}

// Two nodes are one chat: who signs up at one signs in at the other, and reads there
// what was written here.
//
// option: storage.database storage.bus
func TestStorageNodes(t *testing.T) {
	t.Parallel()
	bus := nats.Start(t)
	config := nodesConfig(postgres.Database(t), bus.URL+"?cluster=options")
	listener, err := natsgo.Connect(bus.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	heard := make(chan *natsgo.Msg, 1000)
	if _, err := listener.ChanSubscribe("portico.options.>", heard); err != nil {
		t.Fatal(err)
	}
	if err := listener.Flush(); err != nil {
		t.Fatal(err)
	}
	one, two := start(t, config), start(t, config)

	ann, bob := join(t, one.URL("chat"), "ann"), join(t, two.URL("chat"), "bob")
	conv := ann.call(http.StatusCreated, "POST", "/v1/conversations", `{"kind":"direct","with":"bob"}`).field(t, "id")
	ann.call(http.StatusCreated, "POST", "/v1/conversations/"+conv+"/messages", `{"cid":"m1","text":"from one to the other"}`)
	bob.call(http.StatusOK, "GET", "/v1/conversations/"+conv+"/messages", "").says(t, "from one to the other")
	receive(t, heard)
	wait.Until(t, "the metrics have what was sent", func() bool {
		m := one.Metrics()
		return m["portico_bus_up"] == 1 && m["portico_bus_sent_total"] > 0
	})
	elsewhere := ann
	elsewhere.url = bob.url
	elsewhere.call(http.StatusOK, "GET", "/v1/me", "").says(t, `"ann"`)

	if s := one.Status(); !strings.HasPrefix(s.Storage["database"], "test") || s.Storage["bus"] != bus.Link.Addr {
		t.Errorf("status says of storage %v", s.Storage)
	}
	if out := portico(t, 0, one.Dir, nil, "check", "--host"); !strings.Contains(out, "has no synchronous standby") || strings.Contains(out, "storage.bus") {
		t.Errorf("check says: %s", out)
	}
	bus.Stop()
	if out := portico(t, 0, one.Dir, nil, "check", "--host"); !strings.Contains(out, "storage.bus") {
		t.Errorf("check says nothing of a bus that is away: %s", out)
	}
	// Without the bus it is only later.
	bob.call(http.StatusCreated, "POST", "/v1/conversations/"+conv+"/messages", `{"cid":"m2","text":"and back"}`)
	wait.Until(t, "status says that the bus is away", func() bool { return strings.HasSuffix(one.Status().Storage["bus"], "(away)") })
	ann.call(http.StatusOK, "GET", "/v1/conversations/"+conv+"/messages", "").says(t, "and back")

	backup := filepath.Join(t.TempDir(), "all.tar")
	if out := portico(t, 0, one.Dir, nil, "backup", backup); !strings.Contains(out, "not in the backup: chat.own, which lie in schema portico_chat_own of test") {
		t.Errorf("backup says %s", out)
	}
	one.Stop()
	before, after, _ := strings.Cut(config, "storage {")
	_, after, _ = strings.Cut(after, "}")
	one.Write("config.hcl", before+after)
	if out := portico(t, 1, one.Dir, nil, "run", one.File()); !strings.Contains(out, "but the config has no storage.database; put it back") {
		t.Errorf("a start without the database: %s", out)
	}
}
