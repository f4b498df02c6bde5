package localpg

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// install is the one command that brings PostgreSQL to this system, or words if the system is unknown.
func (m sources) install() string {
	if runtime.GOOS == "darwin" {
		return "brew install postgresql@17"
	}
	sudo := "sudo "
	if os.Geteuid() == 0 {
		sudo = ""
	}
	id, family, version := m.system()
	is := func(name string) bool { return id == name || strings.Contains(" "+family+" ", " "+name+" ") }
	switch {
	case id == "debian" && version < 12, id == "ubuntu" && version < 24:
		// Their own PostgreSQL is too old; the project's archive has a newer one.
		return sudo + "sh -c 'apt-get update && apt-get install -y postgresql-common && " +
			"/usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y && apt-get install -y postgresql-17'"
	case is("debian"), is("ubuntu"):
		return sudo + "apt-get install -y postgresql"
	case is("rhel") && id != "fedora" && version < 10:
		return sudo + "dnf module install -y postgresql:16/server"
	case is("fedora"), is("rhel"):
		return sudo + "dnf install -y postgresql-server"
	case is("alpine"):
		return sudo + "apk add postgresql"
	}
	for _, one := range []struct{ program, command string }{
		{"apt-get", sudo + "apt-get install -y postgresql"},
		{"dnf", sudo + "dnf install -y postgresql-server"},
		{"apk", sudo + "apk add postgresql"},
		{"brew", "brew install postgresql@17"},
	} {
		if _, err := m.lookPath(one.program); err == nil {
			return one.command
		}
	}
	return "this system's package manager, or set " + variable
}

// system reads the name of the system, the names of those it descends from and its major version, as far as it tells.
func (m sources) system() (id, family string, version int) {
	text, _ := os.ReadFile(m.release) // a system without the file is an unknown one
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch name {
		case "ID":
			id = value
		case "ID_LIKE":
			family = value
		case "VERSION_ID":
			major, _, _ := strings.Cut(value, ".")
			version, _ = strconv.Atoi(major)
		}
	}
	return id, family, version
}
