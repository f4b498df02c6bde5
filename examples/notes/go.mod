// This module keeps the example out of the builds of the repository: its files take part once
// they are copied, as README.md says.
module github.com/teamtask/teamtask/examples/notes

go 1.26.0
