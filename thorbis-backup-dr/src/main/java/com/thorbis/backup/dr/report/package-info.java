/** Reports on backups and recovery that an outsider can check. */
@NullMarked
package com.thorbis.backup.dr.report;

import org.jspecify.annotations.NullMarked;
