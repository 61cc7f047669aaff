# shellcheck shell=bash disable=SC2154,SC2153
# bench/measures.sh: what is measured, part by part.  Read by bench/run.

# behaviours of nodes
HEALTHY=1
SILENT=2
PASSWORD=9
HEALTHY_TOO=100

# ---------- processor time ----------

# cpu_ns PID: processor time it has used
cpu_ns() {
	cut -d' ' -f1 "/proc/$1/schedstat"
}

# observe PID SECONDS: leaves the fleet's report, sets used_ns
observe() {
	local before
	fleet mark
	before=$(cpu_ns "$1")
	sleep "$2"
	used_ns=$(($(cpu_ns "$1") - before))
	fleet report >"$dir/report"
	[[ ! ${VERBOSE-} ]] || cat "$dir/report" >&2
}

# per_probe NS: of the last report, in µs; a Sync in a held session is a probe
per_probe() {
	calc 'n ? ns / n / 1000 : 0' %.1f "ns=$1" "n=$(($(seen probes) + $(seen syncs)))"
}

# The kinds of probes, each a group: is what the fleet saw of one what it should?
cpu_groups=(tcp ping_password ping_ready connection query held)
cpu_made=()

make_cpu_groups() {
	local name options
	cpu_made=()
	for name in "${cpu_groups[@]}"; do
		case $name in
			tcp) options="health_check_type 'tcp'" ;;
			ping*) options="health_check_type 'ping'" ;;
			connection) options="health_check_type 'connection'" ;;
			query) options="health_check_type 'query'" ;;
			held) options="health_check_type 'query', keep_connections 'on'" ;;
		esac
		if [[ $name == ping_password ]]; then
			group "$name" "$options" $PASSWORD:"$NODES" && cpu_made+=("$name")
		else
			group "$name" "$options" $HEALTHY:"$NODES" && cpu_made+=("$name")
		fi || true
	done
}

cpu_is_there() {
	case $1 in
		tcp) (($(seen probes) > 0 && $(seen logins) == 0)) ;;
		ping*) (($(seen probes) > 0 && $(seen queries) == 0)) ;;
		connection) (($(seen logins) > 0)) ;;
		query) (($(seen queries) > 0)) ;;
		held) (($(seen syncs) > $(seen probes))) ;;
	esac
}

cost_of_ours() {
	local name pid
	pid=$(prober)
	for name in "${cpu_made[@]}"; do
		turn_on "$name" "$NODES" 0 || { turn "$name" off; continue; }
		observe "$pid" "$SECS"
		turn "$name" off
		cpu_is_there "$name" || continue
		note "$name" "$(per_probe "$used_ns")"
		[[ $name != held ]] || note held_alone "$(held_alone)"
	done
}

# A held session's check by itself: what remains of the time when the fresh
# sessions that are made now and then are paid for as query probes are.
held_alone() {
	local query
	query=$(tail -n 1 "$dir/noted.query" 2>/dev/null) || return 0
	calc '(ns / 1000 - fresh * query) / held' %.1f "ns=$used_ns" "query=$query" \
		"fresh=$(seen probes)" "held=$(seen syncs)"
}

# program NAME COUNT COMMAND...: of bench/, with that many nodes at the same rate
program() {
	"${cpu[@]}" "${@:3}" -p "$port" -n "$2" -r "$2" -s "$SECS" >"$dir/program" || true
	note "$1" "$(awk '$1 == "cpu_us_per_probe" { print $2 }' "$dir/program")"
}

# cost_of_haproxy NAME MANNER OCTET
cost_of_haproxy() {
	start_haproxy "$2" "$3:$NODES" || return 0
	observe "$haproxy" "$SECS"
	stop_haproxy
	note "$1" "$(per_probe "$used_ns")"
}

measure_cpu() {
	local round
	make_cpu_groups
	for ((round = 1; round <= ROUNDS; round++)); do
		say "cost, round $round of $ROUNDS"
		cost_of_ours
		program floor_tcp "$NODES" build/floor -m tcp
		program floor_password "$NODES" build/floor -m answer -a 127.$PASSWORD.0.1
		program floor_ready "$NODES" build/floor -m ready
		program floor_held "$NODES" build/floor -m held
		program loop_login "$NODES" build/loop -m login
		program loop_query "$NODES" build/loop -m query
		cost_of_haproxy haproxy even $HEALTHY
		cost_of_haproxy haproxy_burst retrying $HEALTHY
		cost_of_haproxy haproxy_password even $PASSWORD
	done
	costs "tcp" tcp floor_tcp "raw floor" 1.1
	costs "ping, password asked for" ping_password floor_password "raw floor" 1.1
	costs "ping, password asked for" ping_password haproxy_password "HAProxy pgsql-check" 0.95
	costs "ping, let in, to the end" ping_ready floor_ready "raw floor" 1.1
	costs "ping, let in, to the end" ping_ready haproxy "HAProxy pgsql-check" 0.95
	costs "ping, let in, to the end" ping_ready haproxy_burst "HAProxy, all in a burst" ""
	costs "connection" connection loop_login "bare libpq loop" 1.15
	costs "connection" connection haproxy "HAProxy pgsql-check" ""
	costs "query" query loop_query "bare libpq loop" ""
	costs "held session, alone" held_alone floor_held "raw floor" ""
	costs "held session, alone" held_alone haproxy "HAProxy pgsql-check" 0.45
	costs "held session, fresh ones included" held haproxy "HAProxy pgsql-check" ""
}

# costs WHAT OURS BESIDE NAME GOAL
costs() {
	[[ $4 != HAProxy* || $(med "$3") ]] || return 0
	row "µs per probe: $1" "$(med "$2")" "$(med "$3")" "$4" "$5"
}

# ---------- sizes ----------

# memory_kb PID: resident, but for shared memory
memory_kb() {
	awk '/^VmRSS/ { n += $2 } /^RssShmem/ { n -= $2 } END { print n }' "/proc/$1/status"
}

note_size() {
	note "$1.cpu" "$(per_probe "$used_ns")"
	note "$1.share" "$(calc '100 * ns / 1e6 / ms' %.1f "ns=$used_ns" "ms=$(seen window_ms)")"
	note "$1.memory" "$(memory_kb "$2")"
	note "$1.p99" "$(seen gap_p99_ms)"
	note "$1.max" "$(seen gap_max_ms)"
	note "$1.fleet" "$(per_probe "$(calc 'ms * 1e6' %.0f "ms=$(seen fleet_cpu_ms)")")"
}

measure_size() {
	local size pid
	for size in $SIZES; do
		clear_groups
		restart_prober
		pid=$(prober)
		group "size_$size" "health_check_type 'ping'" $HEALTHY:"$size"
		turn_on "size_$size" "$size" 0
		observe "$pid" $((SECS * 3))
		note_size "ours.$size" "$pid"
		turn "size_$size" off
		program "floor.$size" "$size" build/floor -m ready
		if start_haproxy even $HEALTHY:"$size"; then
			observe "$haproxy" $((SECS * 3))
			note_size "haproxy.$size" "$haproxy"
			stop_haproxy
		fi
		size_row "$size" memory "resident memory, kB" 20480
		size_row "$size" cpu "µs per probe" ""
		row "$size nodes: µs per probe" "$(med "ours.$size.cpu")" "$(med "floor.$size")" "raw floor"
		size_row "$size" share "processor, %" ""
		size_row "$size" p99 "gap, p99, ms" 1010
		size_row "$size" max "gap, max, ms" ""
		size_row "$size" fleet "the fleet's µs per connection" ""
	done
}

# size_row SIZE KEY WHAT GOAL: the goal is a value
size_row() {
	local ours=$1.$2
	row "$1 nodes: $3" "$(med "ours.$ours")" "$(med "haproxy.$ours")" "HAProxy pgsql-check"
	[[ ! $4 ]] || goal_of_value "$(med "ours.$ours")" "$4"
}

# goal_of_value VALUE GOAL: written to the end of the last row
goal_of_value() {
	[[ ! $1 ]] || rows[-1]+="<= $2 $(calc 'a <= b ? "ok" : "missed"' %s "a=$1" "b=$2")"
}

# ---------- gaps ----------

# A part of the nodes accepts connections and never says a word.
measure_gaps() {
	local percent silent round key pid
	pid=$(prober)
	for percent in 0 10 50; do
		silent=$((NODES * percent / 100))
		group "silent_$percent" "" $HEALTHY:$((NODES - silent)) $SILENT:$silent
	done
	for round in 1 2; do
		for percent in 0 10 50; do
			silent=$((NODES * percent / 100))
			say "gaps, $percent% silent, round $round of 2"
			turn_on "silent_$percent" $((NODES - silent)) $silent
			observe "$pid" $((SECS * 3))
			turn "silent_$percent" off
			note_gaps "ours.$percent"
		done
		start_haproxy even $HEALTHY:$((NODES - NODES / 10)) $SILENT:$((NODES / 10)) || continue
		observe "$haproxy" $((SECS * 3))
		stop_haproxy
		note_gaps haproxy.10
	done
	for percent in 0 10 50; do
		for key in median p99 max; do
			row "gap with $percent% silent, $key, ms" "$(med "ours.$percent.$key")" \
				"$(med "haproxy.$percent.$key")" "HAProxy pgsql-check"
		done
	done
}

note_gaps() {
	local key
	for key in median p99 max; do
		note "$1.$key" "$(seen gap_${key}_ms)"
	done
}

# ---------- detection ----------

# watch_table GROUP STATUS COUNT: when each node of it came to have that status
watch_table() {
	sql <<-EOF
		CREATE TEMP TABLE seen (node text PRIMARY KEY, at timestamptz);
		DO \$\$
		BEGIN
			LOOP
				INSERT INTO seen SELECT node_name, clock_timestamp() FROM $1
					WHERE health_status = $2 ON CONFLICT DO NOTHING;
				EXIT WHEN (SELECT count(*) FROM seen) = $3 OR clock_timestamp() > now() + interval '20 s';
				PERFORM pg_sleep(0.001);
			END LOOP;
		END \$\$;
		SELECT node || ' ' || extract(epoch FROM at) FROM seen;
	EOF
}

# watch_log STATUS COUNT: the same of HAProxy
watch_log() {
	local word=DOWN
	((! $1)) || word=UP
	: >"$dir/haproxy.log"
	until_true 20 log_has "$word" "$2" || true
	sed -n "s/^\([0-9.]*\) .*Server b\/\([0-9.]*\) is $word.*/\2 \1/p" "$dir/haproxy.log"
}

log_has() {
	(($(grep -c " is $1" "$dir/haproxy.log") >= $2))
}

# strike NAME NODES BEHAVIOURS WATCHER...: the nodes become so, in turn, at odd
# moments; the latencies are noted by NAME.BEHAVIOUR, in ms
strike() {
	local name=$1 nodes behaviours node i=0 watcher kind ms
	read -ra nodes <<<"$2"
	read -ra behaviours <<<"$3"
	"${@:4}" >"$dir/seen" &
	watcher=$!
	sleep 0.5
	for node in "${nodes[@]}"; do
		kind=${behaviours[i++ % ${#behaviours[@]}]}
		echo "$node $EPOCHREALTIME $kind"
		fleet become "$node" "$kind"
		sleep "0.0$((RANDOM % 60 + 10))"
	done >"$dir/struck"
	wait "$watcher"
	while read -r kind ms; do
		note "$name.$kind" "$ms"
	done < <(awk 'NR == FNR { at[$1] = $2; next } $1 in at { printf "%s %.1f\n", $3, (at[$1] - $2) * 1000 }' \
		"$dir/seen" "$dir/struck")
	note "$name.seen" "$(wc -l <"$dir/seen")"
}

measure_detection() {
	local victims=60 others nodes kind
	nodes=$(addresses $HEALTHY:$victims)
	nodes=${nodes//$'\n'/ }
	group victims "" $HEALTHY:$victims
	others=$((NODES > victims ? NODES - victims : 1))
	group others "" $HEALTHY_TOO:$others
	turn others on
	turn_on victims $victims 0
	strike ours "$nodes" "reset silent" watch_table victims 0 $victims
	strike ours "$nodes" default watch_table victims 1 $victims
	turn victims off
	turn others off
	if start_haproxy retrying $HEALTHY:$victims $HEALTHY_TOO:$others; then
		strike haproxy "$nodes" "reset silent" watch_log 0 $victims
		strike haproxy "$nodes" default watch_log 1 $victims
		stop_haproxy
	fi
	row "deaths and recoveries seen, of $((2 * victims))" "$(awk '{ n += $1 } END { print n }' "$dir/noted.ours.seen")"
	for kind in reset silent default; do
		row "${kind/default/well again} to the verdict, median, ms" "$(med ours.$kind)" \
			"$(med haproxy.$kind)" "HAProxy pgsql-check"
	done
}

# Nodes that die as a killed server does, while sessions are held; what the
# settings allow is beside.
measure_death() {
	death dead_at_once "max_retries 0" 0 20
	death dead_tuned "2 retries" 2 350
}

# death NAME WHAT RETRIES GOAL
death() {
	local nodes node mortal_port i held=0
	nodes=$(for ((i = 1; i <= 15; i++)); do echo "127.1.$((200 + $3)).$i"; done)
	nodes=${nodes//$'\n'/ }
	for node in $nodes; do
		mortal_port=$(fleet mortal "$node")
	done
	if group "$1" "health_check_type 'query', keep_connections 'on', health_check_max_retries '$3'"; then
		for node in $nodes; do
			echo "INSERT INTO $1 VALUES ('$node', ${mortal_port#* });"
		done | sql
		turn_on "$1" 15 0 || nodes=''
		for node in $nodes; do
			held=$((held + $(fleet count "$node" | awk '$1 == "open" { print $2 }')))
		done
		if ((held >= 15)); then
			strike "$1" "$nodes" dead watch_table "$1" 0 15
			strike "$1" "$nodes" default watch_table "$1" 1 15
		fi
		turn "$1" off
	fi
	row "killed while held, $2, median, ms" "$(med "$1.dead")"
	goal_of_value "$(med "$1.dead")" "$4"
}

# ---------- idle, and SQL ----------

wakeups() {
	awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$1/status"
}

measure_idle() {
	local pid before
	pid=$(prober)
	group idle "health_check_period '1h'" $HEALTHY:"$NODES"
	turn_on idle "$NODES" 0
	before=$(wakeups "$pid")
	sleep $((SECS * 3))
	row "wake-ups per s with a period of 1 h" \
		"$(calc 'n / s' %.1f n=$(($(wakeups "$pid") - before)) s=$((SECS * 3)))"
}

# read_ms CLIENTS QUERY: average time of a prepared SELECT
read_ms() {
	echo "$2;" >"$dir/read.sql"
	pgbench -n -M prepared -c "$1" -j "$1" -T 1 -f "$dir/read.sql" |
		sed -n 's/^latency average = \([0-9.]*\) ms/\1/p'
}

# read_both NAME CLIENTS MEASURE BESIDE GOAL QUERY: rows of nodes beside the same
# ones of an ordinary table; in QUERY, @ stands for what comes before their names.
read_both() {
	local table
	for table in live heap; do
		note "$1.$2.$table" "$(read_ms "$2" "${6//@/${table}_}")"
	done
	reads[$1.$2]="$3|$4|$5"
}

# Tables of a thousand nodes, live and as a heap: as they are registered, and with
# eleven columns of what is known of them.
make_read_tables() {
	sql <<-END
		CREATE FOREIGN TABLE live_nodes (node_name text, node_port int, health_status int)
			SERVER nodes OPTIONS (table_name 'nodes');
		CREATE FOREIGN TABLE live_status (server_name name, node_name text, node_port int, health_status int, state text,
			reason text, consecutive_failures int, last_check_time timestamptz, status_change_time timestamptz,
			check_time float8, role text) SERVER nodes OPTIONS (table_name 'node_status');
		CREATE TABLE heap_nodes AS SELECT * FROM live_nodes;
		ALTER TABLE heap_nodes ADD PRIMARY KEY (node_name, node_port);
		CREATE TABLE heap_status AS SELECT * FROM live_status;
		ALTER TABLE heap_status ADD PRIMARY KEY (node_name, node_port);
		VACUUM ANALYZE heap_nodes;
		VACUUM ANALYZE heap_status;
	END
}

measure_reads() {
	local round clients name measure beside goal three
	local -A reads=()
	group nodes "health_check_period '1h'" $HEALTHY:"$NODES"
	turn_on nodes "$NODES" 0
	make_read_tables
	three="(VALUES ('127.1.0.3', $port), ('127.1.0.5', $port), ('127.1.0.9', $port)) v (node_name, node_port)"
	for round in 1 2 3; do
		say "reads, round $round of 3"
		for clients in 1 8; do
			read_both all $clients "read of all $NODES nodes, 3 columns" "heap table" 0.83 \
				"SELECT * FROM @nodes"
			read_both status $clients "the same, 11 columns of node_status" "heap table" 1.0 \
				"SELECT * FROM @status"
			read_both count $clients "count of the unhealthy ones" "heap table" 1.0 \
				"SELECT count(*) FROM @nodes WHERE health_status = 0"
			read_both one $clients "read of one node by its key" "primary key" 1.0 \
				"SELECT * FROM @nodes WHERE node_name = '127.1.0.7' AND node_port = $port"
			read_both join $clients "join of 3 rows with their nodes" "primary key" 1.0 \
				"SELECT * FROM $three JOIN @nodes USING (node_name, node_port)"
		done
	done
	for clients in 1 8; do
		for name in all status count one join; do
			IFS='|' read -r measure beside goal <<<"${reads[$name.$clients]}"
			row "$measure, $clients at once, ms" "$(med "$name.$clients.live")" "$(med "$name.$clients.heap")" \
				"$beside" "$goal"
		done
	done
	sql -c 'DROP TABLE heap_nodes, heap_status'
}

# bench/writers, if it is there, prints lines "measure|ours|beside|name"; it finds
# the monitor by the environment, and a healthy node by FLEET_PORT.
measure_writers() {
	local measure ours beside name
	[[ -x bench/writers ]] || return 0
	while IFS='|' read -r measure ours beside name; do
		row "$measure" "$ours" "$beside" "$name"
	done < <(FLEET_PORT=$port bench/writers)
}
