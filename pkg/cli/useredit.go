package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/account"
	"github.com/porticod/portico/pkg/logging"
)

func newUserDelete(e *env) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete USERNAME",
		Short: "Erase an account and what it posted",
		Long: `Erase an account, end its sessions and have every service erase what belongs to
it. The username is never given again.`,
		Example: `  portico user delete ann`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes && !e.confirm("Erase "+args[0]+" for ever? Type the username: ", args[0]) {
				return usage("not deleted; on a terminal type the username, elsewhere say --yes")
			}
			return e.change(cmd, "delete", args[0], func(ctx context.Context, a *account.AdminAPI) error {
				return a.Delete(ctx, args[0])
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// confirm asks at a terminal for the word that means yes.
func (e *env) confirm(question, word string) bool {
	if !logging.IsTerminal(e.In) {
		return false
	}
	fmt.Fprint(e.Err, question)
	line, err := readLine(e.In)
	return err == nil && line == word
}

func newUserInvite(e *env) *cobra.Command {
	var (
		uses   int
		valid  time.Duration
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:     "invite",
		Short:   "Make a code that people can sign up with",
		Example: `  portico user invite --uses 5 --for 48h`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.withAccounts(cmd.Context(), func(ctx context.Context, a *account.AdminAPI) error {
				i, err := a.Invite(ctx, uses, valid)
				switch {
				case err != nil:
					return fmt.Errorf("make an invite: %w", err)
				case asJSON:
					return printJSON(e.Out, i)
				}
				fmt.Fprintln(e.Out, i.Code)
				return nil
			})
		},
	}
	cmd.Flags().IntVar(&uses, "uses", 1, "how many people may use it")
	cmd.Flags().DurationVar(&valid, "for", 7*24*time.Hour, "how long it is good; 0: for ever")
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return cmd
}

func newUserRole(e *env) *cobra.Command {
	return &cobra.Command{
		Use:     "role USERNAME user|admin",
		Short:   "Make somebody an administrator, or not",
		Example: `  portico user role ann admin`,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) != 1 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return []string{string(account.RoleUser), string(account.RoleAdmin)}, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			role := account.Role(args[1])
			if role != account.RoleUser && role != account.RoleAdmin {
				return usage("the role %q does not exist; there are user and admin", args[1])
			}
			return e.change(cmd, "make", args[0]+" "+args[1], func(ctx context.Context, a *account.AdminAPI) error {
				return a.SetRole(ctx, args[0], role)
			})
		},
	}
}

func newUserSuspend(e *env) *cobra.Command {
	var undo bool
	cmd := &cobra.Command{
		Use:   "suspend USERNAME",
		Short: "Keep somebody out, or let them in again",
		Example: `  portico user suspend bob
  portico user suspend bob --undo`,
		RunE: func(cmd *cobra.Command, args []string) error {
			verb, object := "suspend", args[0]
			if undo {
				verb, object = "end", "the suspension of "+args[0]
			}
			return e.change(cmd, verb, object, func(ctx context.Context, a *account.AdminAPI) error {
				return a.Suspend(ctx, args[0], !undo)
			})
		},
	}
	cmd.Flags().BoolVar(&undo, "undo", false, "end the suspension")
	return cmd
}

func newUserSessions(e *env) *cobra.Command {
	var (
		end    string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "sessions USERNAME",
		Short: "List somebody's sessions, or end them",
		Example: `  portico user sessions bob
  portico user sessions bob --end all`,
		RunE: func(cmd *cobra.Command, args []string) error {
			object, id := "the session "+end+" of "+args[0], end
			switch end {
			case "":
				return e.listSessions(cmd.Context(), args[0], asJSON)
			case "all":
				object, id = "all sessions of "+args[0], ""
			}
			return e.change(cmd, "end", object, func(ctx context.Context, a *account.AdminAPI) error {
				return a.EndSession(ctx, args[0], id)
			})
		},
	}
	cmd.Flags().StringVar(&end, "end", "", "end the session with this `ID`, or all")
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return cmd
}

func (e *env) listSessions(ctx context.Context, username string, asJSON bool) error {
	return e.withAccounts(ctx, func(ctx context.Context, a *account.AdminAPI) error {
		list, err := a.Sessions(ctx, username)
		switch {
		case err != nil:
			return fmt.Errorf("list the sessions of %s: %w", username, err)
		case asJSON:
			return printJSON(e.Out, list)
		}
		t := newTable(e.Out, "ID", "SERVICE", "DEVICE", "SCOPES", "SINCE", "LAST SEEN")
		for _, s := range list {
			t.row(s.ID, s.Service, s.Device, s.Scopes, s.CreatedAt.Local().Format(time.DateTime), s.SeenAt.Local().Format(time.DateTime))
		}
		return t.end()
	})
}
