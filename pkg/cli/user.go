package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/porticod/portico/pkg/account"
)

func newUser(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Make and change accounts",
		Long: `Make and change the accounts that chat and photos share, through the running
daemon or, where none runs, in the data folder itself.`,
	}
	cmd.AddCommand(newUserAdd(e), newUserList(e), newUserPasswd(e), newUserDelete(e), newUserErasures(e), newUserInvite(e),
		newUserRole(e), newUserSuspend(e), newUserSessions(e))
	// Without this cobra prints the help for a mistyped command and succeeds.
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

func newUserAdd(e *env) *cobra.Command {
	var (
		in   account.AddUser
		make bool
	)
	cmd := &cobra.Command{
		Use:   "add USERNAME",
		Short: "Make an account, whoever may sign up",
		Long: `Make an account, whoever may sign up. The password is asked for; where the
standard input is no terminal, it is the input's first line.`,
		Example: `  portico user add ann
  portico user add ann --admin --name "Ann A"
  portico user add ann <password.txt`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in.Username = args[0]
			if in.Password, err = e.newPassword(make); err != nil {
				return err
			}
			return e.withAccounts(cmd.Context(), func(ctx context.Context, a *account.AdminAPI) error {
				u, err := a.Add(ctx, in)
				if err != nil {
					return fmt.Errorf("add %s: %w", args[0], err)
				}
				fmt.Fprintf(e.Out, "added %s (%s)\n", u.Username, u.Role)
				e.showPassword(make, in.Password)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&in.Admin, "admin", false, "make it an administrator (the daemon's socket is named with $PORTICO_ADMIN here)")
	cmd.Flags().StringVar(&in.Name, "name", "", "the name that others see")
	cmd.Flags().BoolVar(&make, "generate", false, "make a password and print it")
	return cmd
}

func (e *env) newPassword(make bool) (string, error) {
	if make {
		return generate(), nil
	}
	return e.password()
}

func (e *env) showPassword(made bool, password string) {
	if made {
		fmt.Fprintf(e.Out, "password: %s\n", password)
	}
}

func newUserList(e *env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the accounts",
		Example: `  portico user list --json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.withAccounts(cmd.Context(), func(ctx context.Context, a *account.AdminAPI) error {
				users, err := allUsers(ctx, a)
				if err != nil {
					return fmt.Errorf("list accounts: %w", err)
				}
				if asJSON {
					return printJSON(e.Out, users)
				}
				t := newTable(e.Out, "USERNAME", "NAME", "ROLE", "STATE", "SINCE")
				for _, u := range users {
					state := "active"
					if u.Suspended {
						state = "suspended"
					}
					t.row(u.Username, u.Name, string(u.Role), state, u.CreatedAt.Local().Format(time.DateTime))
				}
				return t.end()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return cmd
}

func newUserErasures(e *env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "erasures",
		Short: "List deleted accounts that services still hold data of",
		Long: `List deleted accounts whose erasure is not done, and the services that it waits
for: those that do not run now erase when they start.`,
		Example: `  portico user erasures`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.withAccounts(cmd.Context(), func(ctx context.Context, a *account.AdminAPI) error {
				all, err := allErasures(ctx, a)
				if err != nil {
					return fmt.Errorf("list erasures: %w", err)
				}
				if asJSON {
					return printJSON(e.Out, all)
				}
				t := newTable(e.Out, "USERNAME", "DELETED", "WAITS FOR")
				for _, x := range all {
					t.row(x.Username, x.At.Local().Format(time.DateTime), strings.Join(x.Waiting, ", "))
				}
				return t.end()
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for programs")
	return cmd
}

// allErasures reads page after page.
func allErasures(ctx context.Context, a *account.AdminAPI) ([]account.Erasure, error) {
	const page = 500
	all := []account.Erasure{}
	for after := int64(0); ; {
		some, err := a.Erasures(ctx, account.ListErasures{After: after, Limit: page})
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < page {
			return all, nil
		}
		after = some[len(some)-1].Seq
	}
}

// allUsers reads page after page.
func allUsers(ctx context.Context, a *account.AdminAPI) ([]account.User, error) {
	const page = 500
	all := []account.User{}
	for after := ""; ; {
		users, err := a.List(ctx, account.ListUsers{After: after, Limit: page})
		if err != nil {
			return nil, err
		}
		all = append(all, users...)
		if len(users) < page {
			return all, nil
		}
		after = users[len(users)-1].Username
	}
}

func newUserPasswd(e *env) *cobra.Command {
	var make bool
	cmd := &cobra.Command{
		Use:     "passwd USERNAME",
		Short:   "Set a password and end the user's sessions",
		Example: `  portico user passwd ann`,
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := e.newPassword(make)
			if err != nil {
				return err
			}
			err = e.change(cmd, "set", "the password of "+args[0], func(ctx context.Context, a *account.AdminAPI) error {
				return a.SetPassword(ctx, args[0], password)
			})
			if err == nil {
				e.showPassword(make, password)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&make, "generate", false, "make a password and print it")
	return cmd
}

// change does something to an account; verb and object say what.
func (e *env) change(cmd *cobra.Command, verb, object string, fn func(context.Context, *account.AdminAPI) error) error {
	return e.withAccounts(cmd.Context(), func(ctx context.Context, a *account.AdminAPI) error {
		if err := fn(ctx, a); err != nil {
			return fmt.Errorf("%s %s: %w", verb, object, err)
		}
		fmt.Fprintf(e.Out, "done: %s %s\n", verb, object)
		return nil
	})
}
