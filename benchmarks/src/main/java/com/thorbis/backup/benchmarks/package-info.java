/** What each stage of the pipeline takes by itself, with JMH. */
@NullMarked
package com.thorbis.backup.benchmarks;

import org.jspecify.annotations.NullMarked;
