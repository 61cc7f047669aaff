# shellcheck shell=bash disable=SC2154,SC2153
# bench/peers.sh: who takes part in the benchmark.  Read by bench/run.
#
# A group is a foreign server with its nodes and a table of its own name; it is
# probed only while it is turned on.  Which nodes: OCTET:COUNT, the second octet
# being the behaviour (test/fleet/behaviours.h).

haproxy=
jitter=
port=

# The fleet on one processor and what is measured on another, if there are two.
fleet_cpu=()
cpu=()
if command -v taskset >/dev/null && taskset -c 0 true 2>/dev/null && taskset -c 1 true 2>/dev/null; then
	fleet_cpu=(taskset -c 0)
	cpu=(taskset -c 1)
fi

sql() {
	psql -XAtq -v ON_ERROR_STOP=1 "$@"
}

# addresses OCTET:COUNT: of those nodes, one a line
addresses() {
	local octet=${1%:*} count=${1#*:} i
	for ((i = 1; i <= count; i++)); do
		echo "127.$octet.$((i / 256)).$((i % 256))"
	done
}

# ---------- the fleet ----------

start_fleet() {
	coproc FLEET { exec "${fleet_cpu[@]}" build/fleet 2>"$dir/fleet.log"; }
	exec 5>&"${FLEET[1]}" 6<&"${FLEET[0]}"
	read -r -u 6 -t 10 _ port
	say "fleet on port $port"
}

# fleet COMMAND: its answer, without the closing "ok"
fleet() {
	local line
	echo "$*" >&5
	while read -r -u 6 -t 10 line; do
		case $line in
			ok) return 0 ;;
			error*) echo "fleet: $line" >&2; return 1 ;;
		esac
		echo "$line"
	done
	return 1
}

# seen KEY: of the report kept last
seen() {
	awk -v key="$1" '$1 == key { value = $2 } END { print value + 0 }' "$dir/report"
}

# ---------- ours ----------

start_monitor() {
	local most=4096 size
	for size in $((8 * NODES + 1000)) $SIZES; do
		((size <= most)) || most=$size
	done
	initdb -A trust -D "$PGDATA" >"$dir/initdb.log"
	cat >>"$PGDATA/postgresql.conf" <<-END
		listen_addresses = ''
		unix_socket_directories = '$dir'
		shared_preload_libraries = 'octopus_fdw'
		autovacuum = off
		octopus.max_nodes = $most
		octopus.log_status_changes = off
		octopus.health_check_period = '1s'
		octopus.health_check_timeout = '500ms'
		octopus.health_check_max_retries = 2
		octopus.health_check_retry_delay = '100ms'
	END
	pg_ctl -s -w -l "$dir/server.log" start
	sql -c 'CREATE EXTENSION octopus_fdw'
	until_true 10 prober >/dev/null
	pin "$(prober)"
	jitter="health_check_jitter '0'"
	group jitterless "$jitter" || jitter=
	clear_groups
}

pin() {
	((${#cpu[@]} == 0)) || taskset -cp 1 "$1" >/dev/null
}

prober() {
	sql -c "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'octopus%'" | grep .
}

# A fresh prober, which has no memory of greater things.
restart_prober() {
	local old
	old=$(prober)
	sql -c "SELECT pg_terminate_backend($old, 10000)" >/dev/null
	until_true 10 prober >/dev/null
	pin "$(prober)"
}

# group NAME OPTIONS [OCTET:COUNT...]: fails if it does not know the options
group() {
	local options="enabled 'false'${2:+, $2}" nodes
	[[ ! $jitter || $options == *"$jitter"* ]] || options+=", $jitter"
	sql -c "CREATE SERVER $1 FOREIGN DATA WRAPPER octopus_fdw OPTIONS ($options)" \
		-c "CREATE FOREIGN TABLE $1 (node_name text, node_port int, health_status int)
			SERVER $1 OPTIONS (table_name 'nodes')" 2>>"$dir/refused.log" || return 1
	{
		echo "COPY $1 (node_name, node_port) FROM STDIN;"
		for nodes in "${@:3}"; do
			addresses "$nodes" | sed "s/\$/\t$port/"
		done
		echo '\.'
	} | sql
}

# turn NAME on|off
turn() {
	sql -c "ALTER SERVER $1 OPTIONS (SET enabled '$2')"
	[[ $2 == on ]] || sleep 0.3		# what is under way comes to its end
}

# turn_on NAME HEALTHY UNHEALTHY: until all have their verdicts, and a bit longer,
# for first and second checks are closer together; fails if they do not get them
turn_on() {
	turn "$1" on
	until_true 30 judged "$@" || return 1
	sleep 1.3
}

judged() {
	local counts
	counts=$(sql -c "SELECT count(*) FILTER (WHERE health_status = 1), count(*) FILTER (WHERE health_status = 0) FROM $1")
	[[ $counts == "$2|$3" ]]
}

clear_groups() {
	local name
	for name in $(sql -c "SELECT srvname FROM pg_foreign_server WHERE srvname <> 'octopus'"); do
		sql -c "DROP SERVER $name CASCADE"
	done
}

# ---------- HAProxy ----------

# start_haproxy MANNER OCTET:COUNT...: fails where there is none, or it does not
# start.  MANNER is "even" or "retrying".  HAProxy spreads its first checks over the
# shortest interval that may come, so with a short one for retries all checks are
# made in a burst of that length once a period, which is cheaper.
start_haproxy() {
	local nodes retry=""
	[[ $1 == even ]] || retry="fastinter 100ms"
	shift
	command -v haproxy >/dev/null || return 1
	{
		cat <<-END
			global
				nbthread 1
			defaults
				mode tcp
				timeout connect 500ms
				timeout check 500ms
				timeout client 1s
				timeout server 1s
			frontend f
				bind unix@$dir/haproxy.sock
				default_backend b
			backend b
				option pgsql-check user postgres
				default-server check inter 1s $retry downinter 1s fall 3 rise 1
		END
		for nodes; do
			addresses "$nodes" | sed "s/.*/	server & &:$port/"
		done
	} >"$dir/haproxy.cfg"
	: >"$dir/haproxy.log"
	"${cpu[@]}" haproxy -db -f "$dir/haproxy.cfg" > >(stamp >>"$dir/haproxy.log") 2>&1 &
	haproxy=$!
	sleep 2.5
	kill -0 "$haproxy" 2>/dev/null || { haproxy=; return 1; }
}

stop_haproxy() {
	kill "$haproxy"
	wait "$haproxy" || true
	haproxy=
}

# Each line with the moment at which it came.
stamp() {
	local line
	while IFS= read -r line; do
		echo "$EPOCHREALTIME $line"
	done
}
