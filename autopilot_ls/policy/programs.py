"""What is known of programs besides what they do to files.

Which take a subcommand, which are never remembered, and their names for spelling hints. Tables only;
`remember` and `lint` stand above.
"""

from __future__ import annotations

from typing import Final

from autopilot_ls.policy.shell.words import name_set

SUBCOMMANDS: Final = name_set(
    "git npm pnpm yarn bun deno cargo go docker podman kubectl helm terraform gh glab dotnet mix bundle"
    " poetry uv pip pip3 pipenv pdm hatch rye conda composer swift zig stack cabal gradle mvn ./gradlew"
    " ./mvnw make gmake just task brew apt apt-get systemctl aws gcloud az flutter dart rails rake nx"
    " turbo lerna npx bunx pipx cmake meson ruff coverage rustup asdf mise nix"
)
"""Programs that do very different things by their first argument."""

THREE_WORDS: Final = frozenset(
    {"npm run", "pnpm run", "yarn run", "bun run", "git stash",
     "uv pip", "go mod", "git worktree", "git submodule", "nx run"}
)  # fmt: skip
"""Subcommands that need their own first argument to say anything."""

NEVER_REMEMBERED: Final = name_set("sudo doas su env xargs find rm dd chmod chown chgrp ln eval exec source . ssh scp rsync curl wget"
    " nc ncat socat telnet ftp sftp kill pkill killall mount umount mkfs fdisk crontab at batch tee"
    " awk gawk mawk sed gsed vim vi nvim emacs nano ed ex less more man tar unzip zip 7z cpio patch"
    " screen tmux script watch parallel git-shell busybox toybox gdb lldb strace ltrace open xdg-open"
    " osascript powershell pwsh cmd npx bunx pipx cp mv install truncate shred alias trap export unset"
    " set shopt declare mapfile read printf bash sh zsh"
    # What has others run things for it, where no sandbox of ours is.
    " systemd-run busctl dbus-send dbus-launch gdbus qdbus emacsclient flatpak-spawn snap docker-compose"
    " podman-compose nerdctl buildah ctr crictl lxc lxd incus virsh vagrant limactl colima multipass wsl"
    " kitty kitten wezterm zellij launchctl loginctl machinectl code cursor codium nvr mosh sshfs rclone"
    " sshpass autossh heroku fly flyctl ansible ansible-playbook oc gpg security defaults"
    # What runs anything it is given.
    " uvx nix-shell ts-node tsx expect unbuffer hyperfine m4 gnuplot ghci bazel rlwrap java") | frozenset(
    {"git push", "git config", "git clean", "git reset", "git filter-branch", "git submodule", "git bisect", "git rebase",
     "git clone", "git fetch", "git pull", "git ls-remote", "git difftool", "git mergetool", "git remote",
     "npm exec", "npm x", "npm init", "npm create", "pnpm dlx", "yarn dlx", "docker run", "docker exec", "docker container",
     "docker create", "docker start", "docker build", "docker buildx", "docker builder", "docker compose", "docker cp",
     "docker context", "docker plugin", "docker service", "docker stack", "docker swarm", "docker volume", "docker image",
     "podman run", "podman exec", "podman container", "podman create", "podman start", "podman build", "podman machine",
     "podman compose", "podman kube", "podman cp", "podman pod", "podman volume", "podman image", "podman unshare",
     "kubectl exec", "kubectl apply", "kubectl delete", "kubectl run", "kubectl cp", "kubectl debug", "kubectl create",
     "systemctl start", "systemctl restart", "systemctl edit", "systemctl link", "systemctl enable", "systemctl set-environment",
     "terraform apply", "terraform destroy", "npm publish", "cargo publish", "cargo install", "npm install", "npm i",
     "pip install", "pip3 install", "uv run", "uv tool", "poetry run", "bundle exec", "gh api", "go run", "cargo run",
     "go generate", "go tool", "uv pip", "brew install", "brew reinstall", "apt install", "apt-get install", "aws s3",
     "coverage run", "rustup run", "conda run", "mise exec", "mise x", "asdf exec", "nix run", "nix shell", "nix develop",
     "stack exec", "stack run", "stack ghc", "stack runghc", "cabal exec", "cabal run", "composer exec", "lerna exec",
     "rails runner", "dart run", "dotnet run", "dotnet exec", "swift run", "zig run", "mix run", "gcloud compute",
     "mvn exec:java", "mvn exec:exec"}
)  # fmt: skip
"""What is not offered by prefix: what runs anything it is given, or whose harm depends on the rest."""

KNOWN: Final = SUBCOMMANDS | name_set(
    "cat head tail grep egrep fgrep rg find fd ls tree wc sort uniq cut tr awk sed diff cmp file stat"
    " echo printf test true false pwd cd mkdir touch rm rmdir cp mv ln chmod chown tee tar zip unzip"
    " pytest python python3 node ruby perl php java javac gcc g++ clang rustc mypy pyright ruff black"
    " isort flake8 pylint tox nox eslint prettier tsc jest vitest mocha biome gofmt golangci-lint curl"
    " wget ssh scp rsync sudo doas env xargs bash sh zsh jq yq which date sleep ps kill shellcheck"
    " clang-format ctest ninja rspec rubocop phpunit psql mysql sqlite3 redis-cli vim nvim"
)
"""Programs whose misspelling is worth a hint."""

SHELL_BUILTINS: Final = name_set(
    ": [ bg break cd command continue echo exit export false fg jobs printf pwd return set shift test"
    " true type ulimit umask wait"
)
"""Programs that shells have inside, so that no PATH is asked for them."""
