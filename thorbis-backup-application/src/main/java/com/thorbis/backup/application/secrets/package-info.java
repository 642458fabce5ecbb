/** Sets of secrets: collected, sealed one by one, and restored with a plan. */
@NullMarked
package com.thorbis.backup.application.secrets;

import org.jspecify.annotations.NullMarked;
