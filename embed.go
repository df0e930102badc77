// Package sgstreamd holds the sources of the SDKs, so that the daemon's program can make a plugin's folder that builds
// without a network, with the SDK of its own version.
package sgstreamd

import "embed"

// SDKs are the sources, as they lie in this folder, and the licence that they are under.
//
//go:embed LICENSE abi/*.go plugins/sdk/go/*.go
//go:embed plugins/sdk/rust/Cargo.toml plugins/sdk/rust/src
//go:embed plugins/sdk/c/*.c plugins/sdk/c/*.h plugins/sdk/zig/*.zig plugins/sdk/assemblyscript/sgstreamd/*.ts
var SDKs embed.FS
