package localpg

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// The archive of the PostgreSQL project, for systems whose own version is too old.
const aptFromArchive = "sh -c 'apt-get update && apt-get install -y postgresql-common && " +
	"/usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y && apt-get install -y postgresql-17'"

// installers are the commands that install PostgreSQL. The first match counts.
var installers = []struct {
	system  string // ID, or one of ID_LIKE where before is 0
	before  int    // major version of the system; 0: any
	program string // the package manager, for an unknown system
	command string
}{
	{"debian", 12, "", aptFromArchive},
	{"ubuntu", 24, "", aptFromArchive},
	{"debian", 0, "apt-get", "apt-get install -y postgresql"},
	{"ubuntu", 0, "apt-get", "apt-get install -y postgresql"},
	{"centos", 10, "", "dnf module install -y postgresql:16/server"},
	{"ol", 10, "", "dnf module install -y postgresql:16/server"},
	{"rocky", 10, "", "dnf module install -y postgresql:16/server"},
	{"almalinux", 10, "", "dnf module install -y postgresql:16/server"},
	{"rhel", 10, "", "dnf module install -y postgresql:16/server"},
	{"fedora", 0, "dnf", "dnf install -y postgresql-server"},
	{"rhel", 0, "dnf", "dnf install -y postgresql-server"},
	{"alpine", 0, "apk", "apk add postgresql"},
}

// install returns the one command that installs PostgreSQL on this system, or advice if the system is unknown.
func (m sources) install() string {
	if runtime.GOOS == "darwin" {
		return "brew install postgresql@17"
	}
	sudo := "sudo "
	if os.Geteuid() == 0 {
		sudo = ""
	}
	system := m.system()
	version, _, _ := strings.Cut(system["VERSION_ID"], ".")
	major, _ := strconv.Atoi(version)
	family := strings.Fields(system["ID"] + " " + system["ID_LIKE"])
	for _, i := range installers {
		if i.before > 0 && system["ID"] == i.system && major < i.before || i.before == 0 && slices.Contains(family, i.system) {
			return sudo + i.command
		}
	}
	for _, i := range installers {
		if i.program == "" {
			continue
		}
		if _, err := m.lookPath(i.program); err == nil {
			return sudo + i.command
		}
	}
	return "this system's package manager, or set " + variable
}

// system returns the fields of os-release, none on a system without that file.
func (m sources) system() map[string]string {
	fields := map[string]string{}
	text, _ := os.ReadFile(m.release)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		fields[name] = strings.Trim(value, `"'`)
	}
	return fields
}
