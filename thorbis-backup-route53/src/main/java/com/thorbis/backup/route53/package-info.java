/** A switch that moves clients by records of Amazon Route 53. */
@NullMarked
package com.thorbis.backup.route53;

import org.jspecify.annotations.NullMarked;
