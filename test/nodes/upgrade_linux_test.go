package nodes

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/porticod/portico/internal/testkit/wait"
)

// upgrade puts another program in the place of each node's, one after the other.
// Nobody's request may fail, and everybody is told that the connection ends.
func upgrade(h *happening) {
	before := h.count()
	for _, n := range h.c.nodes {
		h.stop(n)
		n.restart(h.c.newer)
		if v, _, _ := strings.Cut(n.d.Status().Version, " "); h.c.newer != h.c.bin && v != newerVersion { // what follows is the commit
			h.t.Errorf("%s runs version %s", n.Name, v)
		}
		wait.Until(h.t, "everybody is connected", func() bool { return h.crowd.missing() == 0 })
	}
	if cut := h.count().minus(before).cut; cut > 0 {
		h.t.Errorf("%d requests were cut", cut)
	}
	if untold := h.crowd.notTold(); untold > 0 {
		h.t.Errorf("%d connections ended without close code 1012", untold)
	}
}

// stop ends a node as an upgrade does.
func (h *happening) stop(n *node) {
	h.t.Helper()
	if status := n.d.Stop(); status != 0 {
		h.t.Errorf("%s ended with status %d", n.Name, status)
	}
}

// changed are tables that everybody uses, one of each store.
var changed = map[string]string{"portico_chat_own": "events", "portico_photos_own": "statuses", "portico_accounts": "session"}

// expand does to the tables what a migration of a newer program would that older
// ones survive. Nodes go on, and start.
func expand(h *happening) {
	for schema, table := range changed {
		h.c.primary.SQL(h.t, fmt.Sprintf("ALTER TABLE %[1]s.%[2]s ADD COLUMN later%[3]d text NOT NULL DEFAULT ''; UPDATE %[1]s.portico_schema SET version = version + 1",
			schema, table, h.c.turn))
	}
	h.flows(h.t)
	h.stop(h.n)
	h.n.restart(h.c.bin)
}

// contract says of the tables that programs have to know them. Nodes that run go
// on, but none starts that does not.
func contract(h *happening) {
	oldest := func(is string) {
		for schema := range changed {
			h.c.primary.SQL(h.t, fmt.Sprintf("UPDATE %s.portico_schema SET oldest = %s", schema, is))
		}
	}
	oldest("version")
	h.flows(h.t)
	h.stop(h.n)
	ctx, cancel := context.WithTimeout(h.t.Context(), wait.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, h.n.Program(h.c.bin), "run", h.n.d.File())
	cmd.Dir, cmd.WaitDelay = h.n.d.Dir, time.Second
	if out, err := cmd.CombinedOutput(); err == nil || ctx.Err() != nil || !strings.Contains(string(out), "run the newer program") {
		h.t.Errorf("a program that does not know the tables: %v\n%s", err, out)
	}
	oldest("1")
	h.n.restart(h.c.bin)
}
