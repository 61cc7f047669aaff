/*-------------------------------------------------------------------------
 *
 * nodeinput.c
 *	  From a tuple to a node: what users give, checked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <netdb.h>
#include <sys/socket.h>

#include "utils/builtins.h"

#include "nodeinput.h"
#include "nodesdata.h"
#include "printable.h"

static void
report_null(Relation rel, AttrNumber attno)
{
	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("null value in column \"%s\" of relation \"%s\" violates not-null constraint",
					NameStr(TupleDescAttr(RelationGetDescr(rel), attno - 1)->attname),
					RelationGetRelationName(rel)),
			 errtablecol(rel, attno)));
}

/*
 * Copies a name, if it is one.  Names must be safe to be shown, logged and
 * handed to libpq.
 */
static void
copy_name(char *name, Datum value)
{
	text	   *given = DatumGetTextPP(value);
	size_t		len = VARSIZE_ANY_EXHDR(given);

	if (len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("node name must not be empty"),
				 errhint("Give an IP address, a host name, or the directory of a Unix-domain socket.")));
	if (len >= OCT_NAME_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("node name is too long"),
				 errdetail("It has %zu bytes, at most %d are allowed.",
						   len, OCT_NAME_SIZE - 1)));
	memset(name, 0, OCT_NAME_SIZE);
	memcpy(name, VARDATA_ANY(given), len);
	if ((Pointer) given != DatumGetPointer(value))
		pfree(given);
	if (!oct_is_printable_ascii(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("node name contains a character that is not printable ASCII"),
				 errhint("An internationalized host name has an ASCII form that begins with \"xn--\".")));
}

static void
check_port(int32 port)
{
	if (port < OCT_PORT_MIN || port > OCT_PORT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("node port %d is out of range", port),
				 errdetail("Ports are in the range %d to %d.",
						   OCT_PORT_MIN, OCT_PORT_MAX)));
}

/* Checks a numeric address and copies it. */
static void
copy_hostaddr(char *hostaddr, Datum value)
{
	char	   *given = TextDatumGetCString(value);
	struct addrinfo hint = {.ai_flags = AI_NUMERICHOST,.ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;

	if (strlen(given) >= OCT_ADDRESS_SIZE || !oct_is_printable_ascii(given) ||
		getaddrinfo(given, NULL, &hint, &found) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid numeric address in \"hostaddr\""),
				 errhint("Give an IPv4 or IPv6 address; a host name belongs into \"node_name\".")));
	freeaddrinfo(found);
	memset(hostaddr, 0, OCT_ADDRESS_SIZE);
	memcpy(hostaddr, given, strlen(given));
	pfree(given);
}

/* Reads a node's own option, which may be out of range. */
static int
option_value(const OctOption *option, Datum value)
{
	int			number;

	if (option->kind == OCT_OPTION_BOOL)
		return DatumGetBool(value);
	if (option->kind == OCT_OPTION_CHECK_TYPE)
	{
		char	   *name = TextDatumGetCString(value);

		if (!oct_optable_parse(option, name, &number))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value for \"%s\": \"%s\"",
							option->name, name),
					 errhint("Available values: auto, tcp, ping, connection, query.")));
		pfree(name);
		return number;
	}
	number = DatumGetInt32(value);
	if (!oct_optable_is_valid(option, number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%d%s is outside the valid range for \"%s\" (%d .. %d)",
						number, option->kind == OCT_OPTION_MS ? " ms" : "",
						option->name, option->min, option->max),
				 errhint("NULL stands for what holds for all nodes of the foreign server.")));
	return number;
}

/* Reads what a tuple says of a node's options; the rest stays as it is. */
static void
read_options(const OctBinding *binding, TupleTableSlot *slot,
			 OctNodeOptions *options)
{
	for (int i = OCT_COLUMN_ENABLED; i <= OCT_COLUMN_CHECK_TYPE; i++)
	{
		AttrNumber	attno = binding->attnos[i];
		const OctOption *option = oct_nodesdata_option((OctColumn) i);
		Datum		value;
		bool		isnull;

		if (attno == 0)
			continue;
		value = slot_getattr(slot, attno, &isnull);
		if (i == OCT_COLUMN_HOSTADDR && isnull)
			memset(options->hostaddr, 0, OCT_ADDRESS_SIZE);
		else if (i == OCT_COLUMN_HOSTADDR)
			copy_hostaddr(options->hostaddr, value);
		else
			*oct_optable_field(&options->policy, option) =
				isnull ? OCT_INHERIT : option_value(option, value);
	}
}

/*
 * Reads the node that a tuple of a bound table describes, and raises an error if
 * it is none.  What the table has no column for is left as it is.
 */
void
oct_nodeinput_read(const OctBinding *binding, Relation rel,
				   TupleTableSlot *slot, OctNodeSpec *spec)
{
	AttrNumber	name_attno = binding->attnos[OCT_COLUMN_NODE_NAME];
	AttrNumber	port_attno = binding->attnos[OCT_COLUMN_NODE_PORT];
	Datum		value;
	bool		isnull;

	value = slot_getattr(slot, name_attno, &isnull);
	if (isnull)
		report_null(rel, name_attno);
	copy_name(spec->name, value);

	if (port_attno != 0)
	{
		value = slot_getattr(slot, port_attno, &isnull);
		if (isnull)
			report_null(rel, port_attno);
		spec->port = DatumGetInt32(value);
		check_port(spec->port);
	}
	if (oct_nodesdata_has_options(binding))
		read_options(binding, slot, &spec->options);
}
