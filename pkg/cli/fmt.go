package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/config"
	"github.com/porticod/portico/pkg/durable"
)

// maxSource bounds what fmt reads from its standard input.
const maxSource = 1 << 20

// fmtOptions say what to do with the formatted text; without any it is printed.
type fmtOptions struct{ check, diff, write bool }

func newFmt(e *env) *cobra.Command {
	var o fmtOptions
	cmd := &cobra.Command{
		Use:   "fmt [FILE...|-]",
		Short: "Write config files in the usual layout",
		Long: `Print config files in the usual layout: indentation, spaces, aligned equal signs.
Nothing else changes. "-" is the standard input.`,
		Example: `  portico fmt -w config.hcl
  portico fmt --check --diff`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.check && o.write {
				return mistyped(cmd, "--check changes nothing and --write does: take one of them")
			}
			if len(args) == 0 {
				file, err := e.file(nil)
				if err != nil {
					return err
				}
				args = []string{file}
			}
			status := exitOK
			for _, name := range args {
				status = max(status, e.format(name, o))
			}
			if status != exitOK {
				return silent(status)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&o.check, "check", false, "only name the files that are not in the usual layout, and exit with 1 then")
	cmd.Flags().BoolVar(&o.diff, "diff", false, "print what would change")
	cmd.Flags().BoolVarP(&o.write, "write", "w", false, "write the files themselves")
	return cmd
}

// format does one file and returns the exit status that it asks for.
func (e *env) format(name string, o fmtOptions) int {
	src, err := e.readSource(name)
	if err != nil {
		fmt.Fprintf(e.Err, "portico: %v\n", err)
		return exitFailed
	}
	out, diags := config.Format(src, name)
	if diags.HasErrors() {
		e.print(loaded{src: config.SourceOf(name, src), diags: diags})
		return exitUsage
	}
	same := bytes.Equal(src, out)
	if o.diff && !same {
		e.Out.Write(unified(name, src, out))
	}
	switch {
	case o.check:
		if same {
			return exitOK
		}
		if !o.diff {
			fmt.Fprintln(e.Out, name)
		}
		return exitFailed
	case o.write && name != "-":
		if same {
			return exitOK
		}
		return e.rewrite(name, out)
	case !o.diff:
		e.Out.Write(out)
	}
	return exitOK
}

func (e *env) readSource(name string) ([]byte, error) {
	if name != "-" {
		return os.ReadFile(name)
	}
	b, err := io.ReadAll(io.LimitReader(e.In, maxSource+1))
	if err == nil && len(b) > maxSource {
		err = fmt.Errorf("the standard input has more than %d bytes", maxSource)
	}
	return b, err
}

// rewrite replaces the file whole, with its mode.
func (e *env) rewrite(name string, out []byte) int {
	fi, err := os.Stat(name)
	if err == nil {
		err = durable.WriteFile(name, fi.Mode().Perm(), out)
	}
	if err != nil {
		fmt.Fprintf(e.Err, "portico: %v\n", err)
		return exitFailed
	}
	fmt.Fprintln(e.Out, name)
	return exitOK
}
