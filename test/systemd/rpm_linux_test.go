package systemd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// rpm installs the other kind of package in the same system: its scripts are run
// for good, by rpm, which checks no dependencies here. An upgrade happens under
// load; what goes leaves data, as rpm does.
func (d *driving) rpm() error {
	if err := d.rpmDo("-i", "a"); err != nil {
		return err
	}
	if err := errors.Join(running("1.0.a"), run("portico", "check")); err != nil {
		return fmt.Errorf("after the installation: %w", err)
	}
	if is := show("UnitFileState"); is != "enabled" {
		return fmt.Errorf("the unit is %s", is)
	}
	if err := d.use(d.config("by rpm"), "restart"); err != nil {
		return err
	}
	d.load = load{}
	d.load.start(web, webUnix)
	d.pause()
	was := show("MainPID")
	err := d.rpmDo("-U", "b")
	d.pause()
	d.load.end()
	if err := errors.Join(err, running("1.0.b")); err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	if show("MainPID") == was {
		return errors.New("the old process goes on")
	}
	p := Phase{Fresh: d.load.fresh.take(), Kept: d.load.kept.take()}
	p.Secure.take(&d.load.secure)
	if sum := p.total(); sum.Refused+sum.Cut+sum.Failed > 0 {
		return fmt.Errorf("the upgrade cost requests: %v: %q", sum, sum.Errors)
	}
	if err := run("rpm", "-e", "portico"); err != nil {
		return err
	}
	if is := show("LoadState"); is != "not-found" {
		return fmt.Errorf("the unit is %s after the removal", is)
	}
	_, bin := os.Stat("/usr/bin/portico")
	if bin == nil {
		return errors.New("the removal left the program")
	}
	if _, err := os.Stat(data + "/chat"); err != nil {
		return fmt.Errorf("the removal removed data: %w", err)
	}
	return awaitRefused(web)
}

func (d *driving) rpmDo(how, name string) error {
	rpms, err := filepath.Glob(filepath.Join(d.dir, "portico-1.0."+name+"*.rpm"))
	if err != nil || len(rpms) != 1 {
		return fmt.Errorf("packages of build %s: %v, %v", name, rpms, err)
	}
	return run("rpm", how, "--nodeps", rpms[0])
}
