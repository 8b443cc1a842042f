package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/porticod/portico/pkg/cli"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/services/servicetest"
)

func TestContract(t *testing.T) {
	servicetest.Run(t, servicetest.Suite{
		Kind:    service.KindOf(Greet{}),
		Changed: `text = "Good evening"`,
		Bad:     map[string]string{`txt = "Hi"`: "text"},
	})
}

func TestProgramKnowsTheKind(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"validate", "config.hcl"}, 0, ""},
		{[]string{"services"}, 0, "greet"},
	} {
		var out, err bytes.Buffer
		got := cli.Run(t.Context(), app(), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &err}, c.args)
		if got != c.status || !strings.Contains(out.String(), c.says) {
			t.Errorf("%v: status %d\n%s%s", c.args, got, out.String(), err.String())
		}
	}
}
