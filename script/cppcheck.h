/*
 * cppcheck reads none of the server's headers.  This is what matters of them:
 * what ends a function, and what is a loop.
 */
#define ERROR	21
#define FATAL	22
#define ereport(level, ...) \
	do { if ((level) >= ERROR) abort(); } while (0)
#define elog(level, ...) \
	ereport(level, 0)
#define Assert(condition) \
	do { if (!(condition)) abort(); } while (0)
#define dlist_foreach(iter, list) \
	for (iter.cur = (list)->head.next; iter.cur != &(list)->head; iter.cur = iter.cur->next)
#define pg_noreturn	__attribute__((noreturn))
