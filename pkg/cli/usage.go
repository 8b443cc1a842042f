package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/porticod/portico/pkg/settings"
)

// explainUsage has every command below root check its arguments by what its Use
// says, and say of its own what was wrong: cobra's words come without a remedy.
func explainUsage(root *cobra.Command) {
	root.SetFlagErrorFunc(flagMistake)
	for _, c := range root.Commands() {
		explainUsage(c)
	}
	root.Args = argumentMistake
}

// mistyped is a mistake in a command line, with what to type instead.
func mistyped(cmd *cobra.Command, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	example, _, _ := strings.Cut(strings.TrimSpace(cmd.Example), "\n")
	if example != "" {
		example = "\n  Example: " + example
	}
	line := cmd.UseLine()
	if cmd.HasSubCommands() {
		line = cmd.CommandPath() + " COMMAND"
	}
	return usage("%s\n  Usage:   %s%s\n  More:    %s --help", what, line, example, cmd.CommandPath())
}

// argumentMistake compares arguments with the words after the name in Use: each
// is one argument, [in brackets] one that may be left out, and with dots... any
// number of them.
func argumentMistake(cmd *cobra.Command, args []string) error {
	if cmd.HasSubCommands() {
		return commandMistake(cmd, args)
	}
	wanted := strings.Fields(cmd.Use)[1:]
	needed := slices.DeleteFunc(slices.Clone(wanted), func(w string) bool { return strings.HasPrefix(w, "[") })
	many := slices.ContainsFunc(wanted, func(w string) bool { return strings.Contains(w, "...") })
	name := strings.Join(strings.Fields(cmd.CommandPath())[1:], " ")
	switch {
	case len(args) < len(needed):
		return mistyped(cmd, "%s: %s is missing", name, strings.TrimSuffix(needed[len(args)], "..."))
	case len(args) > len(wanted) && !many:
		return tooMany(cmd, name, wanted, args)
	}
	for _, a := range args {
		if len(cmd.ValidArgs) > 0 && !slices.Contains(cmd.ValidArgs, a) {
			return mistyped(cmd, "%s: there is no %q. %s", name, a, settings.DidYouMean(a, "There are", cmd.ValidArgs))
		}
	}
	return nil
}

func tooMany(cmd *cobra.Command, name string, wanted, args []string) error {
	if len(args) == 1 && filepath.Ext(args[0]) == ".hcl" { // only run, validate and fmt have it as an argument, which is easily tried elsewhere
		return mistyped(cmd, "%s: the config file is a flag here: %s --config %s", name, cmd.CommandPath(), args[0])
	}
	takes := "no arguments"
	if len(wanted) > 0 {
		takes = count(len(wanted), "argument") + ", " + strings.Trim(strings.Join(wanted, " "), "[]")
	}
	return mistyped(cmd, "%s takes %s; %q is too much", name, takes, args[len(wanted)])
}

func commandMistake(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	given := strings.TrimSpace(strings.Join(append(strings.Fields(cmd.CommandPath())[1:], args[0]), " "))
	return mistyped(cmd, "there is no command %q. %s", given, settings.DidYouMean(args[0], "There are", names))
}

// flagMistake says what is wrong with a flag.
func flagMistake(cmd *cobra.Command, err error) error {
	var (
		unknown *pflag.NotExistError
		bare    *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			return mistyped(cmd, "there is no flag -%s. There are %s.", name, strings.Join(flagNames(cmd), ", "))
		}
		return mistyped(cmd, "there is no flag --%s. %s", name, settings.DidYouMean("--"+name, "There are", flagNames(cmd)))
	case errors.As(err, &bare):
		_, use := pflag.UnquoteUsage(bare.GetFlag())
		return mistyped(cmd, "--%s needs a value: %s", bare.GetFlag().Name, use)
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		_, use := pflag.UnquoteUsage(f)
		return mistyped(cmd, "--%s: %q is %s: %s", f.Name, invalid.GetValue(), notA(f.Value.Type()), use)
	}
	return mistyped(cmd, "%v", err)
}

// notA says in words what a value is not that a flag of a type does not take.
func notA(typ string) string {
	switch typ {
	case "duration":
		return "no duration such as 5s"
	case "int":
		return "no whole number"
	case "bool":
		return "neither true nor false"
	}
	return "no " + typ
}

func flagNames(cmd *cobra.Command) (names []string) {
	add := func(f *pflag.Flag) {
		if !f.Hidden && f.Name != "help" {
			names = append(names, "--"+f.Name)
		}
	}
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return names
}
