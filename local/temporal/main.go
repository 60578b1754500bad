// Command temporal is the Temporal CLI, built through the Go module proxy where nothing else can
// be downloaded. `go install` cannot build it (its module has a replace directive); importing its
// public package can. sqlite and the time zones are what the CLI's own main links in.
package main

import (
	"context"

	"github.com/temporalio/cli/temporalcli"
	_ "modernc.org/sqlite"
	_ "time/tzdata"
)

func main() {
	temporalcli.Execute(context.Background(), temporalcli.CommandOptions{})
}
