package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/service"
	"github.com/porticod/portico/pkg/settings"
)

func newSign(e *env) *cobra.Command {
	var (
		name    string
		expires time.Duration
		vars    []string
	)
	cmd := &cobra.Command{
		Use:   "sign ADDRESS...",
		Short: "Sign addresses of pictures, for any size",
		Long: `Sign addresses with the key of a service, and print them, one a line. An address
is a URL or only its path and query: '/lake.jpg?w=333'. Host and port are not
signed. Quote addresses: the shell has a use for & and ?.`,
		Example: `  portico sign '/lake.jpg?w=333&h=77&fit=cover'
  portico sign --expires 24h 'https://pictures.example.org/lake.jpg?w=333'`,
		RunE: func(_ *cobra.Command, addresses []string) error {
			if expires < 0 {
				return usage("--expires %v lies in the past", expires)
			}
			spec, err := e.signer(name, vars)
			if err != nil {
				return err
			}
			var until time.Time
			if expires > 0 {
				until = time.Now().Add(expires)
			}
			for _, a := range addresses {
				signed, err := spec.Sign(a, until)
				if err != nil {
					return failed(fmt.Errorf("service %s: %w", spec.Ref(), err))
				}
				fmt.Fprintln(e.Out, signed)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "service", "", "the `SERVICE` whose key it is, such as images.gallery; needed where there are several")
	cmd.Flags().DurationVar(&expires, "expires", 0, "how long the addresses are good (default for ever)")
	addVars(cmd, &vars)
	_ = cmd.RegisterFlagCompletionFunc("service", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		src, err := e.source(nil, nil)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return signerNames(src.load(e.Kinds).cfg), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// signer finds the service that name, kind.name, stands for; the only one that
// signs where name is empty.
func (e *env) signer(name string, vars []string) (service.Spec, error) {
	src, err := e.source(nil, vars)
	if err != nil {
		return service.Spec{}, err
	}
	l := src.load(e.Kinds)
	if l.err != nil {
		e.print(l)
		return service.Spec{}, silent(exitUsage)
	}
	names := signerNames(l.cfg)
	switch {
	case len(names) == 0:
		return service.Spec{}, usage("no service in %s has signed addresses; services of kind images have, with a sign_key", l.cfg.File)
	case name == "" && len(names) > 1:
		return service.Spec{}, usage("which service? Say --service with one of: %s", strings.Join(names, ", "))
	case name == "":
		name = names[0]
	}
	name = strings.TrimPrefix(name, "service.")
	for _, s := range l.cfg.Services {
		if s.Signs() && s.Ref().String() == name {
			return s, nil
		}
	}
	return service.Spec{}, usage("no service %q in %s has signed addresses. %s", name, l.cfg.File, settings.DidYouMean(name, "There are", names))
}

func signerNames(cfg *config.Config) (names []string) {
	if cfg == nil {
		return nil
	}
	for _, s := range cfg.Services {
		if s.Signs() {
			names = append(names, s.Ref().String())
		}
	}
	return names
}
