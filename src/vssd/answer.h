/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a writer answers to an event: that it failed, which components failed alone, and what it says of its
 * components
 */

#include "vssd/set.h"

/**
 * answer_take() - take in what @writer answered
 * @event: the method ("Freeze")
 *
 * A writer fails by an error, by its silence, or by saying so in an answer that is otherwise good.
 *
 * Return: true if it stands; else its failure is filled in, unless an earlier one is there.
 */
bool answer_take(SetWriter *writer, const char *event, const CallAnswer *answer);
