/*-------------------------------------------------------------------------
 *
 * pairingheap_stub.c
 *	  A stand-in for core's pairing heap, which only the server contains.
 *
 * It keeps core's contract (lib/pairingheap.h), not its speed: the nodes are a
 * doubly linked list, largest first.  What the contract leaves open, the order
 * of equal nodes, is first come, last served here, so that no test comes to
 * rely on fairness.  Misuse that would corrupt core's heap ends the test.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres_fe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/pairingheap.h"

static bool
contains(const pairingheap *heap, const pairingheap_node *node)
{
	for (pairingheap_node *at = heap->ph_root; at != NULL; at = at->next_sibling)
	{
		if (at == node)
			return true;
	}
	return false;
}

void
pairingheap_add(pairingheap *heap, pairingheap_node *node)
{
	pairingheap_node *before = NULL;
	pairingheap_node *after = heap->ph_root;

	assert_false(contains(heap, node));

	while (after != NULL && heap->ph_compare(after, node, heap->ph_arg) > 0)
	{
		before = after;
		after = after->next_sibling;
	}

	node->first_child = NULL;
	node->prev_or_parent = before;
	node->next_sibling = after;
	if (before == NULL)
		heap->ph_root = node;
	else
		before->next_sibling = node;
	if (after != NULL)
		after->prev_or_parent = node;
}

pairingheap_node *
pairingheap_first(pairingheap *heap)
{
	assert_non_null(heap->ph_root);
	return heap->ph_root;
}

void
pairingheap_remove(pairingheap *heap, pairingheap_node *node)
{
	assert_true(contains(heap, node));

	if (node->prev_or_parent == NULL)
		heap->ph_root = node->next_sibling;
	else
		node->prev_or_parent->next_sibling = node->next_sibling;
	if (node->next_sibling != NULL)
		node->next_sibling->prev_or_parent = node->prev_or_parent;
}

pairingheap_node *
pairingheap_remove_first(pairingheap *heap)
{
	pairingheap_node *first = pairingheap_first(heap);

	pairingheap_remove(heap, first);
	return first;
}
