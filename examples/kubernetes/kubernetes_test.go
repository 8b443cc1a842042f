// Package kubernetes_test holds the files of the example to each other.
package kubernetes_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/porticod/portico/internal/testkit"
	"github.com/porticod/portico/pkg/config"
)

// documents are those of a file.
func documents[T any](t *testing.T, file string) (all []T) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var one T
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, one)
	}
}

// load loads the config of the pods, with its secrets.
func load(t *testing.T) *config.Config {
	t.Helper()
	dir := t.TempDir()
	for _, s := range []string{"database-password", "bus-password", "bucket-key"} {
		if err := os.WriteFile(filepath.Join(dir, s), []byte("0123456789abcdef"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	getenv := func(name string) string {
		return map[string]string{"CREDENTIALS_DIRECTORY": dir, "STATE_DIRECTORY": dir}[name]
	}
	cfg, src, diags := config.Load("config.hcl", config.Options{Kinds: testkit.App().Kinds, Getenv: getenv})
	if diags.HasErrors() {
		var b strings.Builder
		_ = src.WriteText(&b, diags, 100, false)
		t.Fatal(b.String())
	}
	return cfg
}

// Everything is listed, and of a kind that has the labels of the pods.
func TestKustomization(t *testing.T) {
	list := documents[struct {
		Resources  []string
		ConfigMaps []struct {
			Name  string
			Files []string
		} `yaml:"configMapGenerator"`
		Labels []struct{ Pairs map[string]string }
		Images []struct{ Name string }
	}](t, "kustomization.yaml")[0]
	files, err := filepath.Glob("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f != "kustomization.yaml" && !slices.Contains(list.Resources, f) {
			t.Errorf("%s is not listed", f)
		}
	}
	kinds := map[string]bool{}
	for _, f := range list.Resources {
		for _, d := range documents[struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
			Metadata   struct{ Name string }
		}](t, f) {
			if kinds[d.Kind] = true; d.APIVersion == "" || !strings.HasPrefix(d.Metadata.Name, "portico") {
				t.Errorf("%s: %+v", f, d)
			}
		}
	}
	for _, want := range []string{"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"} {
		if !kinds[want] {
			t.Errorf("there is no %s", want)
		}
	}
	if len(list.ConfigMaps) != 1 || !slices.Equal(list.ConfigMaps[0].Files, []string{"config.hcl"}) || len(list.Images) != 1 || len(list.Labels) != 1 {
		t.Errorf("kustomization.yaml is %+v", list)
	}
}

// probe asks for a path.
type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// pods are what the test wants to know of deployment.yaml.
type pods struct {
	Spec struct {
		Template struct {
			Spec struct {
				Grace      int `yaml:"terminationGracePeriodSeconds"`
				Containers []struct {
					Ports []struct {
						Name string
						Port int `yaml:"containerPort"`
					}
					Env       []struct{ Name, Value string }
					Lifecycle struct {
						PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
					}
					Readiness    probe `yaml:"readinessProbe"`
					Liveness     probe `yaml:"livenessProbe"`
					VolumeMounts []struct {
						Name string
						Path string `yaml:"mountPath"`
					} `yaml:"volumeMounts"`
				}
				Volumes []struct {
					Name   string
					Secret struct {
						Name string `yaml:"secretName"`
					}
					ConfigMap struct{ Name string } `yaml:"configMap"`
				}
			}
		}
	}
}

// Ports, times and folders are those of the config.
func TestPods(t *testing.T) {
	cfg, spec := load(t), documents[pods](t, "deployment.yaml")[0].Spec.Template.Spec
	c := spec.Containers[0]
	ports := map[string]int{}
	for _, p := range c.Ports {
		ports[p.Name] = p.Port
	}
	for _, l := range cfg.Listeners {
		if l.Addresses[0].Port != ports[l.Name] || len(l.ProxyFrom) == 0 {
			t.Errorf("%s listens on %d, believes %v; the pod has %v", l.Name, l.Addresses[0].Port, l.ProxyFrom, ports)
		}
	}
	if cfg.Admin.Address != ":9090" || !cfg.Admin.Public || ports["admin"] != 9090 {
		t.Errorf("the admin address is %q, the pod's %d", cfg.Admin.Address, ports["admin"])
	}
	if c.Readiness.HTTPGet.Path != "/readyz" || c.Readiness.HTTPGet.Port != "admin" || c.Liveness.HTTPGet.Path != "/healthz" || c.Liveness.HTTPGet.Port != "admin" {
		t.Errorf("the probes are %+v, %+v", c.Readiness, c.Liveness)
	}
	ending := time.Duration(c.Lifecycle.PreStop.Sleep.Seconds)*time.Second + cfg.Drain
	if grace := time.Duration(spec.Grace) * time.Second; c.Lifecycle.PreStop.Sleep.Seconds < 3 || grace < ending+10*time.Second {
		t.Errorf("a pod is killed after %s, and may take %s", grace, ending)
	}
	mounts, volumes := map[string]string{}, map[string]bool{}
	for _, v := range spec.Volumes {
		volumes[v.Name] = true
		if name := v.Secret.Name + v.ConfigMap.Name; name != "" && name != "portico" {
			t.Errorf("the volume %s is of %s", v.Name, name)
		}
	}
	for _, m := range c.VolumeMounts {
		if mounts[m.Name] = m.Path; !volumes[m.Name] {
			t.Errorf("there is no volume %s", m.Name)
		}
	}
	// What the image says of its folders; see the Dockerfile.
	want := map[string]string{"config": "/etc/portico", "data": "/var/lib/portico", "run": "/run/portico"}
	for name, path := range want {
		if mounts[name] != path {
			t.Errorf("%s is at %s, not at %s", name, mounts[name], path)
		}
	}
	if len(c.Env) != 1 || c.Env[0].Value != mounts["secrets"] {
		t.Errorf("secrets are looked for in %v, and lie in %s", c.Env, mounts["secrets"])
	}
}

// The services lead to ports of the pods.
func TestServices(t *testing.T) {
	pod := documents[pods](t, "deployment.yaml")[0].Spec.Template.Spec.Containers[0]
	for _, s := range documents[struct {
		Spec struct {
			Ports []struct {
				Port   int
				Target string `yaml:"targetPort"`
			}
		}
	}](t, "service.yaml") {
		for _, p := range s.Spec.Ports {
			found := false
			for _, own := range pod.Ports {
				found = found || own.Name == p.Target && own.Port == p.Port
			}
			if !found {
				t.Errorf("%d leads to %s, which is not there", p.Port, p.Target)
			}
		}
	}
}
