package cli

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newCompletion(e *env) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a completion script for a shell",
		Long: `Print a script that completes portico's commands, flags and listeners. For bash:

    portico completion bash > /etc/bash_completion.d/portico`,
		Example:               `  portico completion bash > /etc/bash_completion.d/portico`,
		ValidArgs:             shells,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return failed(root.GenBashCompletionV2(e.Out, true))
			case "zsh":
				return failed(root.GenZshCompletion(e.Out))
			case "fish":
				return failed(root.GenFishCompletion(e.Out, true))
			}
			return failed(root.GenPowerShellCompletionWithDesc(e.Out))
		},
	}
}

func newMan(e *env) *cobra.Command {
	return &cobra.Command{
		Use:   "man [FOLDER]",
		Short: "Write the manual pages",
		Long: `Write a manual page for each command into FOLDER. Without one, print the page of
portico itself:

    portico man | man -l -`,
		Example: `  portico man | man -l -
  portico man /usr/local/share/man/man1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true // the same program writes the same pages
			layOut(root)
			head := &doc.GenManHeader{Section: "1", Source: "portico " + Version, Manual: "portico"}
			if len(args) == 0 {
				return failed(doc.GenMan(root, head, e.Out))
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return failed(fmt.Errorf("make the folder for the pages: %w", err))
			}
			return failed(doc.GenManTree(root, head, args[0]))
		},
	}
}

// layOut makes the descriptions of cmd and of those below it Markdown, of which
// manual pages are made.
func layOut(cmd *cobra.Command) {
	cmd.Long = markdown(cmd.Long)
	for _, c := range cmd.Commands() {
		layOut(c)
	}
}

// markdown makes the lists of a description, paragraphs that stand apart from the
// text by two spaces, what Markdown leaves as it is: those of four.
func markdown(text string) string {
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		if strings.HasPrefix(p, "  ") && !strings.HasPrefix(p, "    ") {
			paragraphs[i] = "  " + strings.ReplaceAll(p, "\n", "\n  ")
		}
	}
	return strings.Join(paragraphs, "\n\n")
}
