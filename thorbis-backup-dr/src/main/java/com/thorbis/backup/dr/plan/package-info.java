/**
 * Plans for disasters as data, and whether they can work. A {@link
 * com.thorbis.backup.dr.plan.RecoveryPlan} exists only if they can.
 */
@NullMarked
package com.thorbis.backup.dr.plan;

import org.jspecify.annotations.NullMarked;
