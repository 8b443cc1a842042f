package packages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/pkg/cli"
)

// An image is what the Dockerfile says of the last stage.
type image struct {
	build   [][]string // instructions of the stages before
	copies  [][]string
	env     []string
	user    string
	volumes []string
	health  []string
	command []string
	stop    string
}

// parse has BuildKit's own parser read the Dockerfile.
func parse(t *testing.T) (im image) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "run", "./dockerfile")
	cmd.Dir = "../../internal/tools"
	f, err := os.Open("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f, &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	var all [][]string
	if err := json.Unmarshal(out.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	var entry, args []string
	for _, in := range all {
		rest := in[1:]
		switch in[0] {
		case "FROM":
			if rest[0] != "scratch" {
				im.build = append(im.build, in)
			}
		case "COPY":
			if strings.HasPrefix(rest[0], "--from=") {
				im.copies = append(im.copies, rest)
			}
		case "RUN":
			im.build = append(im.build, in)
		case "ENV":
			for i := 0; i+1 < len(rest); i += 3 { // name, value, "="
				im.env = append(im.env, rest[i]+"="+rest[i+1])
			}
		case "USER":
			im.user = rest[0]
		case "VOLUME":
			im.volumes = rest
		case "STOPSIGNAL":
			im.stop = rest[0]
		case "HEALTHCHECK":
			im.health = rest[slices.Index(rest, "CMD")+1:]
		case "ENTRYPOINT":
			entry = rest
		case "CMD":
			args = rest
		}
	}
	im.command = slices.Concat(entry, args)
	return im
}

// TestImage builds what the Dockerfile builds, without Docker: its script makes the
// files, they are copied as it says, and its command runs in them, as its user.
func TestImage(t *testing.T) {
	needRoot(t)
	look(t)
	im := parse(t)
	version, err := os.ReadFile("../../internal/tools/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	goVersion := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(version)
	if from := strings.Join(im.build[0], " "); !strings.Contains(from, "golang:"+string(goVersion[1])+"-") {
		t.Errorf("the image is built with %q, packages with Go %s", from, goVersion[1])
	}
	made := t.TempDir()
	if run := im.build[len(im.build)-1]; !slices.Equal(run, []string{"RUN", "ARCH=$TARGETARCH packaging/image /root-of-image"}) {
		t.Fatalf("this test knows another build: %v", run)
	}
	do(t, "", []string{"VERSION=1.0.a", "SOURCE_DATE_EPOCH=1790000000"}, "../../packaging/image", made)
	root := im.assemble(t, made)

	config := filepath.Join(root, "etc/portico/config.hcl")
	b, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	b = regexp.MustCompile(`\{var\.ip\}:\d+`).ReplaceAll(b, []byte("{var.ip}:0")) // other tests run here too
	if err := os.WriteFile(config, b, 0o644); err != nil {
		t.Fatal(err)
	}
	im.lives(t, root)
	if _, err := os.Stat(filepath.Join(root, "var/lib/portico/VERSION")); err != nil {
		t.Errorf("the data is not where the volume is: %v", err)
	}
	if !slices.Equal(im.volumes, []string{"/var/lib/portico"}) {
		t.Errorf("the volumes are %v", im.volumes)
	}
}

// assemble copies what the last stage copies, with the owners that it names.
func (im image) assemble(t *testing.T, made string) (root string) {
	t.Helper()
	root = t.TempDir()
	for dir := root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range im.copies {
		from, ok := strings.CutPrefix(c[len(c)-2], "/root-of-image/")
		to := filepath.Join(root, c[len(c)-1])
		if !ok {
			t.Fatalf("COPY %v", c)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		do(t, "", nil, "cp", "-a", filepath.Join(made, from), to)
		for _, flag := range c[:len(c)-2] {
			if owner, ok := strings.CutPrefix(flag, "--chown="); ok {
				do(t, "", nil, "chown", "-R", owner, to)
			}
		}
	}
	for _, dir := range []string{"proc", "dev"} { // every container has them
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// inside is a command of the image, in a mount name space of its own.
func (im image) inside(t *testing.T, root string, command []string) *exec.Cmd {
	const script = `root=$1 user=$2; shift 2
mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && exec chroot --userspec="$user" --groups= "$root" "$@"`
	cmd := exec.CommandContext(t.Context(), "unshare", slices.Concat([]string{"--mount", "sh", "-c", script, "sh", root, im.user}, command)...)
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, im.env...)
	return cmd
}

// lives starts the image's command, waits until it is healthy as Docker would say,
// and stops it as Docker does.
func (im image) lives(t *testing.T, root string) {
	t.Helper()
	var log bytes.Buffer
	daemon := im.inside(t, root, im.command)
	daemon.Stdout, daemon.Stderr = &log, &log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- daemon.Wait() }()
	healthy := false
	var said []byte
	for deadline := time.Now().Add(time.Minute); !healthy && time.Now().Before(deadline) && len(done) == 0; time.Sleep(50 * time.Millisecond) {
		var err error
		said, err = im.inside(t, root, im.health).CombinedOutput()
		healthy = err == nil
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", daemon.Process.Pid))
	if uid := regexp.MustCompile(`(?m)^Uid:\s+(\d+)`).FindSubmatch(status); err != nil || uid == nil || string(uid[1])+":10001" != im.user {
		t.Errorf("it runs as %q, not as %s: %v", uid, im.user, err)
	}
	if im.stop != "SIGTERM" {
		t.Errorf("it is stopped with %s", im.stop)
	}
	do(t, "", nil, "kill", "-TERM", fmt.Sprint(daemon.Process.Pid))
	select {
	case err := <-done:
		if err != nil || !healthy {
			t.Errorf("healthy: %v, the end: %v\n%s\n%s", healthy, err, said, log.String())
		}
	case <-time.After(time.Minute):
		_ = daemon.Process.Kill()
		<-done
		t.Errorf("it does not end\n%s", log.String())
	}
}

// needRoot skips without root, but not where everything has to be tried.
func needRoot(t *testing.T) {
	t.Helper()
	switch {
	case os.Geteuid() == 0:
	case os.Getenv("CI") == "true":
		t.Fatal("this test runs a program in a root folder of its own and has to be run as root")
	default:
		t.Skip("this test runs a program in a root folder of its own: run it as root")
	}
}

// validates looks at a config with the program itself, in a folder where what the
// config names is there.
func validates(t *testing.T, config string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.hcl")
	for _, m := range regexp.MustCompile(`root\s*=\s*"(/srv[^"]*)"`).FindAllStringSubmatch(config, -1) {
		config = strings.ReplaceAll(config, m[1], t.TempDir())
	}
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if status := cli.Run(t.Context(), testkit.App(), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out}, []string{"validate", file}); status != 0 {
		t.Errorf("exit status %d: %s", status, out.String())
	}
}

// The examples name files that are there, and configs without a mistake.
func TestExamples(t *testing.T) {
	look(t)
	var compose struct {
		Services map[string]struct {
			Build struct {
				Context string
				Args    map[string]string
			}
			Volumes []string
			Secrets []string
		}
		Volumes, Secrets map[string]any
	}
	readYAML(t, "../../examples/docker/compose.yaml", &compose)
	s, ok := compose.Services["portico"]
	if !ok || len(s.Volumes) != 3 || s.Build.Args["VERSION"] == "" || compose.Secrets["images"] == nil {
		t.Errorf("compose.yaml is %+v", compose)
	}
	for _, path := range []string{s.Build.Context + "/Dockerfile", strings.Split(s.Volumes[1], ":")[0], strings.Split(s.Volumes[2], ":")[0]} {
		if _, err := os.Stat(filepath.Join("../../examples/docker", path)); err != nil {
			t.Errorf("compose.yaml: %v", err)
		}
	}
	secrets := t.TempDir()
	if err := os.WriteFile(filepath.Join(secrets, "images"), []byte(strings.Repeat("0123456789abcdef", 4)), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile("../../examples/docker/config.hcl")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", secrets)
	validates(t, string(config))

	var user struct {
		Files []struct {
			Path, Content, Permissions string
		} `yaml:"write_files"`
		Run [][]string `yaml:"runcmd"`
	}
	readYAML(t, "../../examples/cloud-init/user-data.yaml", &user)
	if len(user.Files) != 3 || user.Files[0].Path != "/etc/portico/config.hcl" || len(user.Run) != 3 {
		t.Fatalf("user-data.yaml is %+v", user)
	}
	validates(t, user.Files[0].Content)
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte(user.Files[2].Content), 0o600); err != nil {
		t.Fatal(err)
	}
	do(t, "", nil, "sh", "-n", script)
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
