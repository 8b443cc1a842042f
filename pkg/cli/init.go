package cli

import (
	"embed"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// templates are the files that init writes.
//
//go:embed templates/*.hcl
var templates embed.FS

func newInit(e *env) *cobra.Command {
	var minimal bool
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a config file to begin with",
		Long:  `Write a config file with comments to FILE, else to ./config.hcl. A file that is there already is left alone.`,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file, name := "config.hcl", "templates/full.hcl"
			if len(args) > 0 {
				file = args[0]
			}
			if minimal {
				name = "templates/minimal.hcl"
			}
			text, err := templates.ReadFile(name)
			if err != nil {
				return failed(err)
			}
			if err := writeNew(file, text); err != nil {
				return err
			}
			fmt.Fprintf(e.Out, "wrote %s; run it with: portico run %s\n", file, file)
			return nil
		},
	}
	cmd.Flags().BoolVar(&minimal, "minimal", false, "as short as can be: one listener, one service")
	return cmd
}

// writeNew writes a file that must not be there yet.
func writeNew(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return failed(fmt.Errorf("%s is there already, and init overwrites nothing; name another file: portico init FILE", file))
	}
	if err != nil {
		return failed(fmt.Errorf("write a config file: %w", err))
	}
	_, err = f.Write(text)
	return failed(errors.Join(err, f.Close()))
}
