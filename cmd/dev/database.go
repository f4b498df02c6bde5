package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/teamtask/teamtask/internal/localpg"
)

const (
	database = "teamtask"
	owner    = "teamtask_owner" // of the schema; migrates
	app      = "teamtask_app"   // the runtime role; serves
)

// prepareDatabase makes the two logins and the database, as an administrator would,
// and returns the URLs of the runtime role and the owner.
func prepareDatabase(ctx context.Context, pg *localpg.Server) (appURL, ownerURL string, err error) {
	appPassword, ownerPassword := rand.Text(), rand.Text()
	if err := pg.CreateLogin(ctx, owner, ownerPassword, true); err != nil {
		return "", "", fmt.Errorf("make the owner: %w", err)
	}
	if err := pg.CreateLogin(ctx, app, appPassword, false); err != nil {
		return "", "", fmt.Errorf("make the runtime role: %w", err)
	}
	if err := pg.CreateDatabase(ctx, database, owner, ""); err != nil && !errors.Is(err, localpg.ErrExists) {
		return "", "", fmt.Errorf("make the database: %w", err)
	}
	return pg.URL(database, app, appPassword), pg.URL(database, owner, ownerPassword), nil
}
