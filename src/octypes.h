/*-------------------------------------------------------------------------
 *
 * octypes.h
 *	  The vocabulary of octopus_fdw: time, identity of nodes, what a probe
 *	  came to, and the limits that size shared memory.
 *
 * Floor 0: this header is included both in the server and, with FRONTEND
 * defined, in the unit tests, so it takes from PostgreSQL only what c.h has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OCTYPES_H
#define OCTYPES_H

#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

/*
 * An instant on the monotonic clock.  It is a struct so that the compiler
 * refuses to mix it with milliseconds, wall-clock time or durations.
 */
typedef struct OctTime
{
	int64		us;				/* microseconds since some fixed instant */
} OctTime;

#define OCT_US_PER_MS	INT64CONST(1000)

/* later than every instant */
#define OCT_TIME_NEVER	((OctTime) {PG_INT64_MAX})

static inline OctTime
oct_time_add_us(OctTime t, int64 us)
{
	return (OctTime) {t.us + us};
}

static inline OctTime
oct_time_add_ms(OctTime t, int64 ms)
{
	return (OctTime) {t.us + ms * OCT_US_PER_MS};
}

/* the last multiple of "us" that is not after "t" */
static inline OctTime
oct_time_floor(OctTime t, int64 us)
{
	return (OctTime) {t.us - t.us % us};
}

/* "a" minus "b" in microseconds */
static inline int64
oct_time_diff_us(OctTime a, OctTime b)
{
	return a.us - b.us;
}

static inline bool
oct_time_before(OctTime a, OctTime b)
{
	return a.us < b.us;
}

/* Limits, in bytes with the terminating zero. */
#define OCT_NAME_SIZE		256 /* node name: 255 bytes of printable ASCII */
#define OCT_MESSAGE_SIZE	256 /* cause of a verdict, as it came */
#define OCT_SQLSTATE_SIZE	6
#define OCT_ADDRESS_SIZE	64	/* a numeric address, with its scope */
#define OCT_POLICY_SIZE		4096	/* a group's policy as text */

#define OCT_PORT_MIN		1
#define OCT_PORT_MAX		65535
#define OCT_PORT_DEFAULT	5432

/* The verdict about a node; the values are those users see. */
typedef enum OctHealth
{
	OCT_UNKNOWN = -1,
	OCT_UNHEALTHY = 0,
	OCT_HEALTHY = 1
} OctHealth;

/* The verdict with what is to be added to it, for people. */
typedef enum OctState
{
	OCT_STATE_INITIALIZING,		/* there is no verdict yet */
	OCT_STATE_HEALTHY,
	OCT_STATE_DEGRADED,			/* healthy, with a reservation */
	OCT_STATE_FAILING,			/* healthy, but the last try failed */
	OCT_STATE_UNHEALTHY,
	OCT_STATE_RECOVERING,		/* unhealthy, but the last try succeeded */
	OCT_STATE_DISABLED,			/* there are no checks */
	OCT_STATE_STALE,			/* the verdict is too old to be shown */
	OCT_STATE_COUNT
} OctState;

/*
 * What a try came to.  oct_policy_reasons in policy.c has a row for each, in
 * this order.
 */
typedef enum OctReason
{
	OCT_REASON_OK,
	OCT_REASON_CONNECTION_REFUSED,
	OCT_REASON_CONNECTION_RESET,
	OCT_REASON_HOST_UNREACHABLE,
	OCT_REASON_TIMEOUT,
	OCT_REASON_NAME_RESOLUTION,
	OCT_REASON_RESOLVER_TROUBLE,	/* nobody told */
	OCT_REASON_TLS_ERROR,
	OCT_REASON_AUTH_FAILED,
	OCT_REASON_PASSWORD_NEEDED,
	OCT_REASON_FORBIDDEN,		/* by us, nobody was asked */
	OCT_REASON_STARTING_UP,
	OCT_REASON_IN_RECOVERY,
	OCT_REASON_NOT_ACCEPTING,
	OCT_REASON_SHUTTING_DOWN,
	OCT_REASON_TOO_MANY_CONNECTIONS,
	OCT_REASON_PROTOCOL_ERROR,
	OCT_REASON_QUERY_FAILED,
	OCT_REASON_QUERY_FALSE,
	OCT_REASON_CONNECTION_LOST,
	OCT_REASON_VOIDED,
	OCT_REASON_DISABLED,
	OCT_REASON_COUNT
} OctReason;

/* How far a try had come when its outcome was known. */
typedef enum OctPhase
{
	OCT_PHASE_DNS,
	OCT_PHASE_CONNECT,
	OCT_PHASE_TLS,
	OCT_PHASE_STARTUP,
	OCT_PHASE_AUTH,
	OCT_PHASE_QUERY
} OctPhase;

/* What a server said of its part in replication. */
typedef enum OctRole
{
	OCT_ROLE_UNKNOWN,
	OCT_ROLE_PRIMARY,
	OCT_ROLE_STANDBY
} OctRole;

/* What a server says of itself, if it does. */
typedef enum OctAnswer
{
	OCT_ANSWER_NONE,
	OCT_ANSWER_NO,
	OCT_ANSWER_YES
} OctAnswer;

/*
 * The outcome of one try.  message holds bytes of others: bounded, but
 * neither printable nor in any particular encoding.
 */
typedef struct OctOutcome
{
	OctReason	reason;
	OctPhase	phase;
	OctRole		role;
	OctAnswer	read_only;		/* are transactions, unless they ask otherwise? */
	OctAnswer	encrypted;		/* was the connection? */
	int32		server_version; /* as server_version_num, 0 unknown */
	char		sqlstate[OCT_SQLSTATE_SIZE];	/* empty if there was none */
	char		message[OCT_MESSAGE_SIZE];	/* empty if there was none */
} OctOutcome;

/* The address of a node on the network, as bytes. */
typedef struct OctNodeAddress
{
	uint8		size;			/* 4 or 16; 0: there is none */
	uint8		bytes[16];
} OctNodeAddress;

/*
 * A group of nodes: the foreign server they were registered on.  One that came
 * with the registry of another database system is *unbound* until a server of
 * its name is found in a database of its name: it has no database, and instead
 * of a server some number of its own.
 */
typedef struct OctGroupKey
{
	Oid			dboid;
	Oid			serverid;
} OctGroupKey;

static inline bool
oct_group_is_unbound(OctGroupKey key)
{
	return key.dboid == 0;
}

static inline bool
oct_same_group(OctGroupKey a, OctGroupKey b)
{
	return a.dboid == b.dboid && a.serverid == b.serverid;
}

/*
 * Pairs of a group's policy that are no options: has it a user mapping, and who
 * owns the server, if probes must not do more than he could.
 */
#define OCT_PAIR_MAPPING	"octopus.mapping"
#define OCT_PAIR_OWNER		"octopus.owner"

/* Pairs "key=value", packed one behind the other; see pairs.h. */
typedef struct OctPairs
{
	uint32		size;			/* of bytes in use */
	char		bytes[OCT_POLICY_SIZE];
} OctPairs;

/*
 * What else is known of a group: its names, for people and to find it again
 * elsewhere, and its policy, which is the server's options and the user
 * mapping that probes use.
 */
typedef struct OctGroup
{
	OctGroupKey key;
	char		dbname[NAMEDATALEN];
	char		server_name[NAMEDATALEN];
	OctPairs	policy;
} OctGroup;

/* The question that a check asks. */
typedef enum OctCheckType
{
	OCT_CHECK_AUTO,				/* query with a user mapping, else ping */
	OCT_CHECK_TCP,
	OCT_CHECK_PING,
	OCT_CHECK_CONNECTION,
	OCT_CHECK_QUERY
} OctCheckType;

/*
 * How nodes are to be probed, as far as numbers say it.  What is OCT_INHERIT is
 * left to the next in line: the node, its group, the settings.  The table in
 * optable.c names the fields, which are all int.
 */
typedef struct OctPolicy
{
	int			enabled;		/* bool */
	int			period_ms;		/* from the start of a try to the next one */
	int			timeout_ms;		/* the longest that a try may take */
	int			max_retries;	/* failed tries forgiven in a row */
	int			retry_delay_ms; /* from a failed try to its repetition */
	int			healthy_threshold;	/* successes that end unhealthiness */
	int			check_type;		/* OctCheckType */
	int			down_period_ms; /* period of the unhealthy; -1: the same */
	int			jitter_percent; /* of a period */
	int			keep_connections;	/* bool */
} OctPolicy;

#define OCT_INHERIT		PG_INT32_MIN

/* What a node has beyond its key. */
typedef struct OctNodeOptions
{
	OctPolicy	policy;
	int64		registered_at;	/* TimestampTz */
	char		registered_by[NAMEDATALEN];
	char		hostaddr[OCT_ADDRESS_SIZE]; /* empty: the name tells */
} OctNodeOptions;

/* A node as it was registered; within its group, name and port are its key. */
typedef struct OctNodeSpec
{
	int32		port;
	char		name[OCT_NAME_SIZE];
	OctNodeOptions options;
} OctNodeSpec;

#endif							/* OCTYPES_H */
