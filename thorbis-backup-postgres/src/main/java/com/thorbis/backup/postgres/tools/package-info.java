/**
 * PostgreSQL's client programs, as they lie on this machine: found, checked against a server's
 * version, and run without a shell and without a secret that other accounts can see.
 */
@NullMarked
package com.thorbis.backup.postgres.tools;

import org.jspecify.annotations.NullMarked;
