package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Checkout returns the root of the checkout that contains the working directory.
func Checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "cmd", "server", "main.go")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("run this inside a checkout of teamtask")
		}
		dir = parent
	}
}
