/*-------------------------------------------------------------------------
 *
 * regfile.h
 *	  The registry file as bytes.
 *
 * A text file, a line a record, fields separated by tabs, special characters
 * escaped as in COPY:
 *
 *	  octopus_fdw registry <TAB> format
 *	  system <TAB> system identifier
 *	  serial <TAB> serial number of the image
 *	  xid <TAB> full id of the transaction that wrote it
 *	  follows <TAB> serial number of the image that it replaces <TAB> its CRC
 *			(0 and 0: none was there; a file without this line does not say)
 *	  counts <TAB> groups <TAB> nodes
 *	  group <TAB> database OID <TAB> its name <TAB> server OID <TAB> its name
 *			<TAB> key=value ...				(its policy)
 *			(a database OID of 0: not bound to any yet; see octypes.h)
 *	  node <TAB> name <TAB> port			(of the group above)
 *			<TAB> when registered, in microseconds since 2000 <TAB> by whom
 *			<TAB> key=value ...				(what it does not leave to the group)
 *	  ...
 *	  end <TAB> lines above <TAB> CRC-32C of all bytes above, in hex
 *
 * On disk empty lines follow, which are not for the decoder; see regdisk.c.
 *
 * Pure: files and transactions are the business of registry.c.  Nothing
 * throws, nothing allocates.
 *
 *-------------------------------------------------------------------------
 */
#ifndef REGFILE_H
#define REGFILE_H

#include "octypes.h"

#include "port/pg_crc32c.h"

#define OCT_REGFILE_MAGIC		"octopus_fdw registry"
#define OCT_REGFILE_FORMAT		2

/* the fields that every group and every node has, its keyword included */
#define OCT_REGFILE_FIELDS		5

/* the most fields of a line: no group has so many options */
#define OCT_REGFILE_MAX_FIELDS	(OCT_REGFILE_FIELDS + 96)

/* the pair that is no number of a policy */
#define OCT_REGFILE_HOSTADDR	"hostaddr"

/* no line is longer, its end included */
#define OCT_REGFILE_LINE_SIZE	10240

/* Which image it is. */
typedef struct OctRegId
{
	uint64		serial;
	pg_crc32c	crc;
} OctRegId;

typedef struct OctRegHeader
{
	uint64		system_identifier;
	uint64		serial;
	uint64		full_xid;
	uint32		ngroups;
	uint32		nnodes;
	bool		has_predecessor;	/* does it say what it replaces? */
	OctRegId	predecessor;
	pg_crc32c	crc;			/* of the image itself, as its last line tells */
} OctRegHeader;

/* Where an encoder puts its bytes; false ends the writing. */
typedef bool (*OctRegWrite) (void *arg, const char *bytes, size_t nbytes);

typedef struct OctRegEncoder
{
	OctRegWrite write;
	void	   *arg;
	uint32		nlines;
	uint32		ngroups_left;	/* of those that the header tells of */
	uint32		nnodes_left;
	pg_crc32c	crc;
} OctRegEncoder;

/* Who is told what a decoder finds, in the order of the file. */
typedef struct OctRegSink
{
	void		(*group) (void *arg, const OctGroup *group);
	void		(*node) (void *arg, const OctNodeSpec *spec);
	void	   *arg;
} OctRegSink;

/* Why a file is no registry. */
typedef struct OctRegError
{
	uint32		line;
	const char *cause;			/* static */
} OctRegError;

extern bool oct_regfile_put_header(OctRegEncoder *encoder, OctRegWrite write,
								   void *arg, const OctRegHeader *header);
extern bool oct_regfile_put_group(OctRegEncoder *encoder, const OctGroup *group);
extern bool oct_regfile_put_node(OctRegEncoder *encoder,
								 const OctNodeSpec *spec);
extern bool oct_regfile_put_end(OctRegEncoder *encoder, pg_crc32c *crc);

extern bool oct_regfile_decode(const char *data, size_t size,
							   OctRegHeader *header, const OctRegSink *sink,
							   OctRegError *error);

#endif							/* REGFILE_H */
