package cli

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// becomeOwner has root do everything from then on as the user who has a data folder,
// with the mask of the systemd unit: what is made is that user's, and a database that
// looks who comes, or a file that only root may read, shows now what the daemon would
// find. To others than root another user's folder is an error. A folder that is not
// there is everybody's.
func becomeOwner(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return nil // it will be made, or the reason be told, later
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() {
		return nil
	}
	uid, gid := int(st.Uid), int(st.Gid)
	if os.Geteuid() != 0 {
		return foreign(dir, uid)
	}
	groups := []int{gid}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		if gid, groups, err = groupsOf(u); err != nil {
			return fmt.Errorf("find out what the owner of data_dir %s may do: %w", dir, err)
		}
	}
	if err := errors.Join(syscall.Setgroups(groups), syscall.Setgid(gid), syscall.Setuid(uid)); err != nil {
		return errors.Join(foreign(dir, uid), err)
	}
	syscall.Umask(0o077)
	return nil
}

// groupsOf are the group of a user, and all of them.
func groupsOf(u *user.User) (gid int, groups []int, err error) {
	if gid, err = strconv.Atoi(u.Gid); err != nil {
		return 0, nil, err
	}
	names, err := u.GroupIds()
	if err != nil {
		return 0, nil, err
	}
	for _, name := range names {
		g, err := strconv.Atoi(name)
		if err != nil {
			return 0, nil, err
		}
		groups = append(groups, g)
	}
	return gid, groups, nil
}

// ownFolder is an error where somebody, root above all, is about to write into
// another user's data folder: that user could not open the files afterwards.
func ownFolder(dir string) error {
	uid, ok := userOf(dir)
	if !ok || uid == os.Geteuid() {
		return nil
	}
	return foreign(dir, uid)
}

func foreign(dir string, uid int) error {
	return fmt.Errorf("data_dir %s belongs to the user with the id %d; run `sudo -u '#%d' portico` instead", dir, uid, uid)
}
