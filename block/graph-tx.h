/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes of several edges at once, all or none of them. Control code; what
 * is above the nodes must be drained (graph_drain()) from the first change to
 * the end.
 */
#ifndef BLOCK_GRAPH_TX_H
#define BLOCK_GRAPH_TX_H

#include "block/block-int.h"

typedef struct GraphTx GraphTx;

/* Drain all backends; the handle goes to node_undrain(). */
GPtrArray *graph_drain(BlockGraph *g);

GraphTx *graph_tx_new(BlockGraph *g);
/* A new child of @parent. */
void graph_tx_link(GraphTx *tx, BlockNode *parent, BlockNode *node,
                   const char *name, unsigned role);
void graph_tx_unlink(GraphTx *tx, BlockEdge *e);
void graph_tx_move(GraphTx *tx, BlockEdge *e, BlockNode *node);
/* Whoever uses @from uses @to from now on; but not @to itself, nor @skip and
 * jobs. */
void graph_tx_replace(GraphTx *tx, BlockNode *from, BlockNode *to,
                      const BlockNode *skip);
/* Check and apply the permissions that follow. False: all is undone. */
bool graph_tx_check(GraphTx *tx, Error **errp);
/* The end, after a successful check; !ok takes everything back. */
void graph_tx_end(GraphTx *tx, bool ok);
/* Check, then end. */
bool graph_tx_commit(GraphTx *tx, Error **errp);

#endif
